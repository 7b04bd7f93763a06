"""Write the files of an index, by the code that will search them.

index.json                      defaults of a query, fusion, the encoder's fingerprint
vectors.faiss                   dense retrieval
words/                          BM25
passages.utf8, passages.npy     the texts and where each begins
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from passage_search import IndexSettings, PassageStore, StoredPassage, VectorIndex, WordIndex, words_of

from triton_rag_export.corpus import Passage
from triton_rag_export.errors import BuildError
from triton_rag_export.recipe import RetrievalRecipe


@dataclass(frozen=True, slots=True)
class IndexReport:
    """What was written.

    Attributes:
        passages: how many.
        dimension: components of a vector.
        dense: exact or hnsw.
        size_bytes: of all files.
    """

    passages: int
    dimension: int
    dense: str
    size_bytes: int


def build_index(
    passages: Sequence[Passage],
    vectors: npt.NDArray[np.float32],
    retrieval: RetrievalRecipe,
    fingerprint: Mapping[str, str | int | bool],
    folder: Path,
    *,
    passage_fingerprint: Mapping[str, str | int | bool] | None = None,
) -> IndexReport:
    """Build both retrievers' indexes and write them.

    Args:
        passages: at least one, with distinct ids.
        vectors: `(passages, dimension)`, of `indexed_text`.
        retrieval: the recipe's table.
        fingerprint: of the encoder that queries will go through.
        folder: is made; files of an older index in it are replaced.
        passage_fingerprint: of the encoder that made the vectors; None: it is the same.

    Raises:
        BuildError: there are no passages, ids repeat, or vectors are missing or not finite.
    """
    _check(passages, vectors)
    folder.mkdir(parents=True, exist_ok=True)
    approximate = len(passages) > retrieval.hnsw_above
    settings = IndexSettings(
        passages=len(passages),
        dimension=vectors.shape[1],
        dense="hnsw" if approximate else "exact",
        retriever=retrieval.retriever,
        passages_k=retrieval.passages_k,
        candidates=retrieval.candidates,
        rrf_k=retrieval.rrf_k,
        dense_weight=retrieval.dense_weight,
        encoder=dict(fingerprint),
        passage_encoder=None if passage_fingerprint is None else dict(passage_fingerprint),
    )
    VectorIndex.build(vectors, approximate=approximate).save(folder)
    WordIndex.build([words_of(indexed_text(passage)) for passage in passages]).save(folder)
    PassageStore.write([_stored(passage) for passage in passages], folder)
    settings.write(folder)
    size_bytes = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return IndexReport(settings.passages, settings.dimension, settings.dense, size_bytes)


def indexed_text(passage: Passage) -> str:
    """What a passage is found by: its title, unless its text begins with it, and its text.

    A passage from the middle of a document seldom says what it is about; its title does.
    """
    if not passage.title or passage.text.startswith(passage.title):
        return passage.text
    return f"{passage.title}\n{passage.text}"


def _check(passages: Sequence[Passage], vectors: npt.NDArray[np.float32]) -> None:
    if not passages:
        raise BuildError("the corpus has no passages: give it at least one text that is not blank")
    if len({passage.id for passage in passages}) < len(passages):
        raise BuildError("two passages have the same id: give every document its own")
    if vectors.ndim != 2 or len(vectors) != len(passages):
        raise BuildError(f"{len(passages)} passages but vectors of shape {vectors.shape}: embed them again")
    if not np.isfinite(vectors).all():
        raise BuildError("the encoder gave vectors that are not finite: export it in fp32")


def _stored(passage: Passage) -> StoredPassage:
    return StoredPassage(passage.id, passage.title, passage.source, passage.text, passage.start, passage.end)
