"""The schema's own house: every key says what it means, and what a message calls allowed is allowed."""

from typing import get_args

import pytest
from pydantic import BaseModel, ValidationError
from triton_rag_export.recipe import Recipe, RetrievalRecipe
from triton_rag_export.recipe.allowed import allowed_values, known_keys


def tables(table: type[BaseModel] = Recipe) -> list[type[BaseModel]]:
    """A table and those in it, at any depth."""
    kinds = [
        kind
        for field in table.model_fields.values()
        for kind in (field.annotation, *get_args(field.annotation))
    ]
    inner = [kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)]
    return [table, *(found for kind in inner for found in tables(kind))]


def keys(path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Paths of all keys below a table, tables included."""
    found = [(*path, key) for key in known_keys(path)]
    return [*found, *(below for key in found for below in keys(key))]


def test_every_key_has_a_description() -> None:
    undescribed = [
        f"{table.__name__}.{name}"
        for table in tables()
        for name, field in table.model_fields.items()
        if not field.description
    ]
    assert undescribed == []


def test_every_key_says_what_is_allowed() -> None:
    assert len(keys()) > 40
    assert [path for path in keys() if allowed_values(path) == "another value"] == []


def test_the_limits_that_a_message_names_are_the_limits() -> None:
    assert allowed_values(("retrieval", "passages_k")) == "a whole number from 1 to 20"
    assert RetrievalRecipe(passages_k=20).passages_k == 20
    with pytest.raises(ValidationError):
        RetrievalRecipe(passages_k=21)


def test_a_recipe_cannot_be_changed() -> None:
    recipe = RetrievalRecipe()
    with pytest.raises(ValidationError):
        recipe.rrf_k = 1  # type: ignore[misc]
