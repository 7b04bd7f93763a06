"""How close an exported encoder is to what it was made from, by the cosine of their vectors."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from query_encoding import QueryEncoder
from query_encoding.packing import TokenIds

from triton_rag_export.graph.encoder_settings import TextSettings
from triton_rag_export.graph.linear import LinearWeights, bias_of

SAMPLE_TEXTS = (
    "What does the lambda keyword do?",
    "A decorator wraps a function and returns another one.",
    "Ein Wörterbuch ordnet jedem Schlüssel einen Wert zu.",
    "字典把键映射到值。",
    "",
    "x = [n ** 2 for n in range(10) if n % 2]  # squares of the odd numbers",
    "The quick brown fox jumps over the lazy dog, turns round, and jumps back again. " * 8,
)
"""Checked where no calibration texts are given."""


@dataclass(frozen=True, slots=True)
class Closeness:
    """Cosines between the vectors of two encoders.

    Attributes:
        mean: over the texts.
        least: of the texts.
        texts: how many.
    """

    mean: float
    least: float
    texts: int


def closeness_to(reference: QueryEncoder, encoder: QueryEncoder, texts: Sequence[TokenIds]) -> Closeness:
    """Compare two exported encoders on at least one text."""
    return _compare(encoder.encode_ragged(texts), reference.encode_ragged(texts))


def closeness_to_torch(
    model: Any,
    text: TextSettings,
    projection: LinearWeights | None,
    encoder: QueryEncoder,
    texts: Sequence[TokenIds],
) -> Closeness:
    """Compare an exported encoder with the transformers model it was made from, one text at a time."""
    import torch

    vectors = []
    with torch.inference_mode():
        for ids in texts:
            batch = torch.from_numpy(ids.astype(np.int64))[None]  # (1, tokens)
            states = model(input_ids=batch, attention_mask=torch.ones_like(batch)).last_hidden_state[0]
            vectors.append((states.mean(dim=0) if text.pooling == "mean" else states[0]).numpy())
    pooled = np.stack(vectors)
    if projection is not None:
        pooled = pooled @ projection.weight + bias_of(projection)
    return _compare(encoder.encode_ragged(texts), pooled)


def _compare(ours: npt.NDArray[np.float32], theirs: npt.NDArray[np.float32]) -> Closeness:
    lengths = np.linalg.norm(ours.astype(np.float64), axis=1) * np.linalg.norm(
        theirs.astype(np.float64), axis=1
    )
    cosines = (ours.astype(np.float64) * theirs).sum(axis=1) / np.maximum(lengths, 1e-12)
    return Closeness(float(cosines.mean()), float(cosines.min()), len(cosines))
