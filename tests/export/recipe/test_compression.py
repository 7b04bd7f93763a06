"""A recipe's tables of compression have the keys, and the defaults, of the settings that they become."""

import dataclasses
from typing import Any

import pytest
from triton_rag_export.build.compression_methods import settings_of
from triton_rag_export.compress.distil_encoder import EncoderDistillation
from triton_rag_export.compress.distil_generator import DistilGeneratorSettings
from triton_rag_export.compress.recovery import (
    LowRankEncoderSettings,
    LowRankGeneratorSettings,
    PruneEncoderSettings,
    PruneGeneratorSettings,
    QuantizeEncoderSettings,
    QuantizeGeneratorSettings,
)
from triton_rag_export.compress.training import TrainingSettings
from triton_rag_export.recipe.compression import (
    EncoderDistilRecipe,
    EncoderLowRankRecipe,
    EncoderPruneRecipe,
    EncoderQuantizeRecipe,
    GeneratorDistilRecipe,
    GeneratorLowRankRecipe,
    GeneratorPruneRecipe,
    GeneratorQuantizeRecipe,
    TrainingRecipe,
)
from triton_rag_export.recipe.table import Table

PAIRS: list[tuple[Table, type]] = [
    (TrainingRecipe(), TrainingSettings),
    (EncoderDistilRecipe(), EncoderDistillation),
    (GeneratorDistilRecipe(), DistilGeneratorSettings),
    (EncoderPruneRecipe(heads=0.5), PruneEncoderSettings),
    (EncoderLowRankRecipe(energy=0.5), LowRankEncoderSettings),
    (EncoderQuantizeRecipe(), QuantizeEncoderSettings),
    (GeneratorPruneRecipe(neurons=0.5), PruneGeneratorSettings),
    (GeneratorLowRankRecipe(size=0.5), LowRankGeneratorSettings),
    (GeneratorQuantizeRecipe(), QuantizeGeneratorSettings),
]


@pytest.mark.parametrize(("table", "settings"), PAIRS, ids=lambda part: getattr(part, "__name__", ""))
def test_a_table_has_the_keys_and_defaults_of_its_settings(table: Table, settings: Any) -> None:
    keys = {field.name for field in dataclasses.fields(settings)}
    assert set(type(table).model_fields) == keys
    given = {name: getattr(table, name) for name in table.model_fields_set}
    assert settings_of(settings, table) == settings(**given)
