"""Two encoders that share one space of vectors: one for passages, offline, and a smaller one for queries."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from triton_rag_export.build.artifacts import Artifact
from triton_rag_export.build.context import BuildContext
from triton_rag_export.corpus import Passage
from triton_rag_export.errors import BuildError

COMPARED_PASSAGES = 64
LEAST_COSINE = 0.5
"""Encoders of different spaces have a mean cosine near 0; a student of two layers has more than 0.9."""


def refuse_strangers(
    context: BuildContext,
    passages: Sequence[Passage],
    vectors: npt.NDArray[np.float32],
    encoder: Artifact,
) -> None:
    """Refuse a pair whose vectors cannot be compared.

    Args:
        context: the build.
        passages: of the corpus.
        vectors: of these passages, (passages, dimension), by the passages' encoder.
        encoder: the graph that queries will go through.

    Raises:
        BuildError: other dimensions, or vectors of the same texts that have nothing to do with one another.
    """
    from query_encoding import QueryEncoder
    from query_tokenization import QueryTokenizer

    from triton_rag_export.index import embed_passages, indexed_text

    rows = np.linspace(0, len(passages) - 1, min(COMPARED_PASSAGES, len(passages))).astype(int)
    own = embed_passages(
        [indexed_text(passages[row]) for row in rows],
        QueryTokenizer.load(encoder.folder),
        QueryEncoder.load(encoder.folder),
    ).vectors
    named = f"encoder.passage_model {context.indexing_encoder.source.name!r}"
    queries = f"encoder.model {context.encoder.source.name!r}"
    if own.shape[1] != vectors.shape[1]:
        raise BuildError(
            f"{named} gives vectors of {vectors.shape[1]} numbers, {queries} of {own.shape[1]}; allowed: as "
            "many"
        )
    lengths = np.linalg.norm(own, axis=1) * np.linalg.norm(vectors[rows], axis=1)
    cosine = float(((own * vectors[rows]).sum(axis=1) / np.maximum(lengths, 1e-12)).mean())
    if cosine < LEAST_COSINE:
        raise BuildError(
            f"{named} and {queries} give the same passages vectors with a mean cosine of {cosine:.3f}; "
            f"allowed: at least {LEAST_COSINE}; distil the one from the other, or leave passage_model out"
        )
