"""Search by vectors: inner product, exact up to a size, then approximate (HNSW).

HNSW: Malkov and Yashunin, "Efficient and Robust Approximate Nearest Neighbor Search Using Hierarchical
Navigable Small World Graphs", 2016. For vectors of length 1 the inner product is the cosine.
"""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from passage_search.errors import IndexFilesError
from passage_search.ranking import Ranking

VECTORS_FILE = "vectors.faiss"

_HNSW_NEIGHBOURS = 32
_HNSW_BUILD_DEPTH = 200
_HNSW_SEARCH_DEPTH = 200
_TIE_MARGIN = 16
"""Vectors searched beyond the limit, so that equal scores at its border are put in order."""

_NEVER = 2**31 - 1


class VectorIndex:
    """Vectors to the passages nearest to them.

    Args:
        index: a faiss index whose ids are the numbers of passages.
    """

    def __init__(self, index: Any) -> None:
        self._index = index

    @classmethod
    def build(cls, vectors: npt.NDArray[np.float32], *, approximate: bool = False) -> "VectorIndex":
        """Index vectors.

        Args:
            vectors: `(passages, dimension)`.
            approximate: HNSW instead of exact search.
        """
        import faiss

        dimension = vectors.shape[1]
        index: Any
        if approximate:
            index = faiss.IndexHNSWFlat(dimension, _HNSW_NEIGHBOURS, faiss.METRIC_INNER_PRODUCT)
            index.hnsw.efConstruction = _HNSW_BUILD_DEPTH
        else:
            index = faiss.IndexFlatIP(dimension)
        index.add(np.ascontiguousarray(vectors, dtype=np.float32))
        return cls._ready(index)

    @classmethod
    def load(cls, folder: Path) -> "VectorIndex":
        """Load the index from its folder.

        Raises:
            IndexFilesError: the file is missing or cannot be used.
        """
        import faiss

        path = folder / VECTORS_FILE
        try:
            return cls._ready(faiss.read_index(str(path)))
        except RuntimeError as error:  # what faiss raises for everything
            raise IndexFilesError(f"{path} cannot be loaded ({error}): build the repository again") from error

    @classmethod
    def _ready(cls, index: Any) -> "VectorIndex":
        import faiss

        # Above a number of queries faiss turns to a matrix product, whose last bits differ: a query's result
        # would depend on its neighbours in the batch.
        faiss.cvar.distance_compute_blas_threshold = _NEVER
        if isinstance(index, faiss.IndexHNSWFlat):
            index.hnsw.efSearch = _HNSW_SEARCH_DEPTH
        return cls(index)

    @property
    def dimension(self) -> int:
        """Components of a vector."""
        return int(self._index.d)

    @property
    def passages(self) -> int:
        """How many are indexed."""
        return int(self._index.ntotal)

    @staticmethod
    def use_threads(threads: int) -> None:
        """Threads that search a batch, for all indexes of this process: faiss has one setting."""
        import faiss

        faiss.omp_set_num_threads(threads)

    def save(self, folder: Path) -> None:
        """Write the index below `folder`."""
        import faiss

        faiss.write_index(self._index, str(folder / VECTORS_FILE))

    def search(self, vectors: npt.NDArray[np.float32], limit: int) -> list[Ranking]:
        """The passages with the largest inner product, a ranking for each vector.

        Args:
            vectors: `(queries, dimension)`.
            limit: at most so many.
        """
        depth = min(limit + _TIE_MARGIN, self._index.ntotal)
        scores, rows = self._index.search(np.ascontiguousarray(vectors, dtype=np.float32), depth)
        found = rows >= 0  # HNSW fills up with -1
        return [Ranking.best(r[f], s[f], limit) for r, s, f in zip(rows, scores, found, strict=True)]
