"""A list of passages, best first: what every retriever gives and fusion joins."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class Ranking:
    """Passages with their scores, best first; of equal scores the earlier passage comes first.

    Attributes:
        rows: `(found,)` numbers of passages in the index.
        scores: `(found,)` larger is better.
    """

    rows: npt.NDArray[np.int64]
    scores: npt.NDArray[np.float32]

    @classmethod
    def best(cls, rows: npt.NDArray[np.int64], scores: npt.NDArray[np.float32], limit: int) -> "Ranking":
        """The best `limit` of scored passages.

        Args:
            rows: `(scored,)` distinct numbers of passages, in any order.
            scores: `(scored,)`.
            limit: at most so many.
        """
        if len(rows) > limit:
            lowest = np.partition(scores, len(scores) - limit)[len(scores) - limit]
            kept = scores >= lowest  # more than `limit` where scores are equal: sorted out below
            rows, scores = rows[kept], scores[kept]
        order = np.lexsort((rows, -scores))[:limit]
        return cls(rows[order], scores[order])

    def first(self, limit: int) -> "Ranking":
        """The best `limit` of this list."""
        return Ranking(self.rows[:limit], self.scores[:limit])
