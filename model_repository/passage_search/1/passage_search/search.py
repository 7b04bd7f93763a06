"""Search an index: check the queries, ask the retrievers they want, fuse, and fetch the passages."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from passage_search.bm25 import WordIndex
from passage_search.dense import VectorIndex
from passage_search.errors import IndexFilesError, OptionError
from passage_search.fusion import fuse_rankings
from passage_search.passages import PassageStore
from passage_search.ranking import Ranking
from passage_search.settings import MAX_PASSAGES_K, RETRIEVERS, IndexSettings


@dataclass(frozen=True, slots=True)
class SearchQuery:
    """What is asked of the index.

    Attributes:
        text: for bm25 and hybrid.
        vector: `(dimension,)`, for dense and hybrid; None where only words are searched.
        retriever: dense, bm25 or hybrid; None: the index's default.
        passages_k: 1 to 20; None: the index's default.
    """

    text: str
    vector: npt.NDArray[np.float32] | None = None
    retriever: str | None = None
    passages_k: int | None = None


@dataclass(frozen=True, slots=True)
class FoundPassage:
    """A passage that was found.

    Attributes:
        id: unique in the index.
        title: of its document; may be empty.
        source: where its document is from.
        text: the passage.
        score: inner product (dense), BM25 score (bm25) or reciprocal rank fusion's score (hybrid).
    """

    id: str
    title: str
    source: str
    text: str
    score: float


class PassageSearch:
    """An index that is open for queries.

    Args:
        settings: defaults and depths.
        passages: the texts.
        words: the BM25 index.
        vectors: the dense index.
    """

    def __init__(
        self, settings: IndexSettings, passages: PassageStore, words: WordIndex, vectors: VectorIndex
    ) -> None:
        self.settings = settings
        self.passages = passages
        self._words = words
        self._vectors = vectors

    @classmethod
    def load(cls, folder: Path, threads: int = 0) -> "PassageSearch":
        """Open the index in a folder.

        Args:
            folder: where `build_index` wrote it.
            threads: for searching a batch of vectors; 0: all cores.

        Raises:
            IndexFilesError: a file is missing, cannot be used, or does not belong to the others.
        """
        settings = IndexSettings.read(folder)
        search = cls(settings, PassageStore.load(folder), WordIndex.load(folder), VectorIndex.load(folder))
        counts = (len(search.passages), search._words.passages, search._vectors.passages)
        if set(counts) != {settings.passages}:
            raise IndexFilesError(
                f"the index in {folder} has {settings.passages} passages, but its texts, words and vectors "
                f"have {counts}: build the repository again"
            )
        if threads:
            search._vectors.use_threads(threads)
        return search

    def check(self, query: SearchQuery) -> None:
        """Refuse a query that cannot be searched.

        Raises:
            OptionError: names the field, its value and what is allowed.
        """
        if query.retriever is not None and query.retriever not in RETRIEVERS:
            raise OptionError(f"RETRIEVER = {query.retriever[:40]!r}: allowed are {', '.join(RETRIEVERS)}")
        if query.passages_k is not None and not 1 <= query.passages_k <= MAX_PASSAGES_K:
            raise OptionError(f"PASSAGES_K = {query.passages_k}: allowed are 1 to {MAX_PASSAGES_K}")
        if self._retriever(query) == "bm25":
            return
        shape = None if query.vector is None else query.vector.shape
        if query.vector is None or shape != (self._vectors.dimension,):
            raise OptionError(f"EMBEDDING has shape {shape}: needed is ({self._vectors.dimension},)")
        if not math.isfinite(float(query.vector.sum())):
            raise OptionError("EMBEDDING is not finite: give the vector that the encoder makes of the query")

    def search(self, queries: Sequence[SearchQuery]) -> list[tuple[FoundPassage, ...]]:
        """The passages of each query, best first.

        A query gets fewer than it wants where the index has no more, or where bm25 knows none of its words.
        The result of a query does not depend on the others.

        Args:
            queries: that `check` accepts.
        """
        return [
            tuple(self._found(row, score) for row, score in zip(ranking.rows, ranking.scores, strict=True))
            for ranking in self.rank(queries)
        ]

    def rank(self, queries: Sequence[SearchQuery], limit: int | None = None) -> list[Ranking]:
        """The numbers of the passages of each query, best first.

        Args:
            queries: that `check` accepts.
            limit: at most so many a query, instead of its `passages_k`.
        """
        dense = self._dense_rankings(queries)
        return [
            self._ranking(query, ranking, limit or self._passages_k(query))
            for query, ranking in zip(queries, dense, strict=True)
        ]

    def _ranking(self, query: SearchQuery, dense: Ranking | None, limit: int) -> Ranking:
        if dense is None:
            return self._words.search(query.text, limit)
        if self._retriever(query) == "dense":
            return dense.first(limit)
        words = self._words.search(query.text, self.settings.candidates)
        weights = (self.settings.dense_weight, 1.0 - self.settings.dense_weight)
        return fuse_rankings((dense, words), weights, self.settings.rrf_k, limit)

    def _dense_rankings(self, queries: Sequence[SearchQuery]) -> list[Ranking | None]:
        """One search for the vectors of all queries that want it; None for the others."""
        wanted = [n for n, query in enumerate(queries) if self._retriever(query) != "bm25"]
        rankings: list[Ranking | None] = [None] * len(queries)
        if wanted:
            vectors = np.stack(
                [v for n in wanted if (v := queries[n].vector) is not None]
            )  # (wanted, dimension)
            for n, ranking in zip(
                wanted, self._vectors.search(vectors, self.settings.candidates), strict=True
            ):
                rankings[n] = ranking
        return rankings

    def _passages_k(self, query: SearchQuery) -> int:
        return self.settings.passages_k if query.passages_k is None else query.passages_k

    def _retriever(self, query: SearchQuery) -> str:
        return self.settings.retriever if query.retriever is None else query.retriever

    def _found(self, row: np.int64, score: np.float32) -> FoundPassage:
        passage = self.passages[int(row)]
        return FoundPassage(passage.id, passage.title, passage.source, passage.text, float(score))
