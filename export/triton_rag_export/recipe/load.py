"""A recipe's file to a checked `Recipe`, or an error that says file, line, key, value and what is allowed."""

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from triton_rag_export.errors import RecipeError
from triton_rag_export.recipe.allowed import allowed_values, nearest_key
from triton_rag_export.recipe.key_lines import key_lines
from triton_rag_export.recipe.schema import Recipe

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

_SHOWN_CHARACTERS = 60


def load_recipe(path: Path) -> Recipe:
    """Read and check a recipe.

    Args:
        path: a TOML file; paths and model folders in it are relative to its folder.

    Raises:
        RecipeError: the file cannot be read, is not TOML, or has a key that is unknown, missing, of the wrong
            type or out of range. All faults are reported at once, a line each.
    """
    text = _read(path)
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(f"{path}: not valid TOML: {error}. Correct the file.") from error
    try:
        return Recipe.model_validate(content, context={"folder": path.resolve().parent})
    except ValidationError as error:
        lines = key_lines(text)
        faults = [_describe(details, content, lines, path) for details in error.errors()]
        raise RecipeError("\n".join(faults)) from error


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise RecipeError(f"{path}: no such file. Give the path of a recipe (TOML).") from error
    except UnicodeDecodeError as error:
        raise RecipeError(f"{path}: not UTF-8 at byte {error.start}. Save the recipe as UTF-8.") from error
    except OSError as error:
        raise RecipeError(f"{path}: cannot be read: {error.strerror}. Give the path of a recipe.") from error


def _describe(
    details: "ErrorDetails", content: Mapping[str, Any], lines: Mapping[tuple[str, ...], int], path: Path
) -> str:
    """One fault as `file:line: key = value: what is allowed`."""
    cross_check = details["type"] == "cross_check"
    where = _checked_key(details) if cross_check else details["loc"]
    key = tuple(str(part) for part in where)
    place = f"{path}:{_line(key, lines)}: {'.'.join(key)}"
    value = _value(key, content)
    if details["type"] == "missing":
        return f"{place} is missing; allowed: {allowed_values(key)}"
    if details["type"] == "extra_forbidden":
        return f"{place} = {value}: unknown key; {nearest_key(key)}"
    allowed = details.get("ctx", {}).get("allowed") or allowed_values(key)
    return f"{place} = {value or '(not given)'}: not allowed; allowed: {allowed}"


def _checked_key(details: "ErrorDetails") -> tuple[str | int, ...]:
    """The key of a check over several keys; one that begins with a dot is of the table that was checked."""
    key: str = details["ctx"]["key"]
    return (*details["loc"], key[1:]) if key.startswith(".") else tuple(key.split("."))


def _line(key: tuple[str, ...], lines: Mapping[tuple[str, ...], int]) -> int:
    """The key's line, else its table's, else the first."""
    while key and key not in lines:
        key = key[:-1]
    return lines.get(key, 1)


def _value(key: tuple[str, ...], content: Mapping[str, Any]) -> str:
    """The value as the recipe writes it, shortened; "" where the key is not in the file."""
    node: Any = content
    for part in key:
        if isinstance(node, Mapping) and part in node:
            node = node[part]
        elif isinstance(node, list) and part.isdecimal():
            node = node[int(part)]
        else:
            return ""
    shown = json.dumps(node, ensure_ascii=False, default=str)
    return shown if len(shown) <= _SHOWN_CHARACTERS else shown[:_SHOWN_CHARACTERS] + "…"
