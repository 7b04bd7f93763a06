"""Weights, heads, neurons and layers taken away from torch models, by what the models lose without them."""

from triton_rag_export.compress.pruning.importance import (
    Importance,
    ImportanceKind,
    Loss,
    embedding_loss,
    language_model_loss,
    measure_importance,
)
from triton_rag_export.compress.pruning.masks import (
    Scope,
    Scores,
    WeightMasks,
    two_of_four_masks,
    unstructured_masks,
)
from triton_rag_export.compress.pruning.prune import (
    Pruned,
    PruneSettings,
    Recover,
    prune_model,
)
from triton_rag_export.compress.pruning.schedule import cubic_sparsity
from triton_rag_export.compress.pruning.structured import (
    choose_layers,
    choose_units,
    cut_layers,
    cut_units,
    own_tables,
)

__all__ = [
    "Importance",
    "ImportanceKind",
    "Loss",
    "PruneSettings",
    "Pruned",
    "Recover",
    "Scope",
    "Scores",
    "WeightMasks",
    "choose_layers",
    "choose_units",
    "cubic_sparsity",
    "cut_layers",
    "cut_units",
    "embedding_loss",
    "language_model_loss",
    "measure_importance",
    "own_tables",
    "prune_model",
    "two_of_four_masks",
    "unstructured_masks",
]
