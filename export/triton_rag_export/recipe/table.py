"""What all tables of a recipe share: strictness, paths relative to the recipe, errors of checks over keys."""

from pathlib import Path
from typing import Annotated, Any, NoReturn

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, Strict, ValidationInfo
from pydantic_core import PydanticCustomError


def refuse(key: str, allowed: str) -> NoReturn:
    """Raise the error of a check over several keys.

    Args:
        key: path of the key to report, such as `corpus.overlap_tokens`; `.KEY` is of the table that is
            checked, wherever it stands.
        allowed: what would be accepted, in words.
    """
    raise PydanticCustomError("cross_check", "{allowed}", {"key": key, "allowed": allowed})


def _resolve_path(value: Any, info: ValidationInfo) -> Any:
    """A path in a recipe is relative to the recipe's folder."""
    if not isinstance(value, str):
        return value
    folder = (info.context or {}).get("folder", Path())
    return (folder / Path(value).expanduser()).resolve()


def _resolve_model(value: Any, info: ValidationInfo) -> Any:
    """A folder or GGUF file becomes its full path; other names stay as they are."""
    if not isinstance(value, str) or not value or value.startswith("package:"):
        return value
    path = _resolve_path(value, info)
    return str(path) if path.is_dir() or path.suffix == ".gguf" else value


def _as_tuple(value: Any) -> Any:
    """TOML has lists; a recipe does not change."""
    return tuple(value) if isinstance(value, list) else value


def _existing_file(path: Path) -> Path:
    if not path.is_file():
        allowed = f"an existing file; there is none at {path}"
        raise PydanticCustomError("refused_value", "{allowed}", {"allowed": allowed})
    return path


RecipePath = Annotated[Path, Strict(False), BeforeValidator(_resolve_path)]
RecipeFile = Annotated[RecipePath, AfterValidator(_existing_file)]
RecipeFiles = Annotated[tuple[RecipeFile, ...], BeforeValidator(_as_tuple)]
_Layer = Annotated[int, Field(ge=0, le=1000)]
Layers = Annotated[_Layer | tuple[_Layer, ...], BeforeValidator(_as_tuple)]
ModelName = Annotated[str, Field(min_length=1), BeforeValidator(_resolve_model)]


class Table(BaseModel):
    """What all tables share: unknown keys and wrong types are errors, and nothing changes later."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True)
