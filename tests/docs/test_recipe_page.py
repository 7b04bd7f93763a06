"""`docs/recipe.md` lists every key of the recipe with the default, limits and meaning that the schema has."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from triton_rag_export.recipe import Recipe
from triton_rag_export.recipe.allowed import allowed_values

PAGE = Path(__file__).resolve().parents[2] / "docs" / "recipe.md"


def schema_rows() -> Iterator[str]:
    """The rows of the page's tables, in the order of the schema."""
    yield from rows_of(Recipe, (), set())


def rows_of(table: type[BaseModel], path: tuple[str, ...], seen: set[type[BaseModel]]) -> Iterator[str]:
    """A table's own keys, then the tables in it; one that stands in several places is listed once."""
    inner = {name: table_of(field) for name, field in table.model_fields.items()}
    yield from (row((*path, name), table.model_fields[name]) for name, kind in inner.items() if kind is None)
    for name, kind in inner.items():
        if kind is not None and not any(issubclass(kind, listed) for listed in seen):
            seen.add(kind)
            yield from rows_of(kind, (*path, name), seen)


def table_of(field: FieldInfo) -> type[BaseModel] | None:
    types = [field.annotation, *get_args(field.annotation)]
    return next((kind for kind in types if isinstance(kind, type) and issubclass(kind, BaseModel)), None)


def row(path: tuple[str, ...], field: FieldInfo) -> str:
    allowed = allowed_values(path).removeprefix("one of ").replace("|", "\\|")
    return f"| `{path[-1]}` | {default(field)} | {allowed} | {field.description} |"


def default(field: FieldInfo) -> str:
    if field.is_required():
        return "needed"
    value: Any = field.default
    return "–" if value is None else f"`{json.dumps(value)}`"


def test_the_page_lists_every_key_as_the_schema_has_it() -> None:
    page = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| `")]
    assert page == list(schema_rows())
