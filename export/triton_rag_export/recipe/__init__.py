"""The recipe: one TOML file that says what to build and within which limits it is served."""

from triton_rag_export.recipe.load import load_recipe
from triton_rag_export.recipe.schema import (
    CorpusRecipe,
    EncoderRecipe,
    GeneratorRecipe,
    Precision,
    Recipe,
    RetrievalRecipe,
    ServingRecipe,
)

__all__ = [
    "CorpusRecipe",
    "EncoderRecipe",
    "GeneratorRecipe",
    "Precision",
    "Recipe",
    "RetrievalRecipe",
    "ServingRecipe",
    "load_recipe",
]
