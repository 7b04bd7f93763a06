"""Reciprocal rank fusion: join rankings whose scores cannot be compared.

A passage's score is the sum over the lists of 1 / (k + rank), ranks from 1; a list without it adds nothing.
Source: Cormack, Clarke and Büttcher, "Reciprocal Rank Fusion outperforms Condorcet and individual Rank
Learning Methods", SIGIR 2009. The weight of a list is ours: 1 for each is the paper's sum.
"""

from collections.abc import Sequence

import numpy as np

from passage_search.ranking import Ranking


def fuse_rankings(rankings: Sequence[Ranking], weights: Sequence[float], k: int, limit: int) -> Ranking:
    """Join rankings.

    Args:
        rankings: each best first.
        weights: of each ranking's share in the sum.
        k: larger, and the first ranks weigh less; 60 in the paper.
        limit: at most so many passages.
    """
    scores: dict[int, float] = {}
    for ranking, weight in zip(rankings, weights, strict=True):
        for rank, row in enumerate(ranking.rows.tolist(), start=1):
            scores[row] = scores.get(row, 0.0) + weight / (k + rank)
    rows = np.fromiter(scores.keys(), dtype=np.int64, count=len(scores))
    return Ranking.best(rows, np.fromiter(scores.values(), dtype=np.float32, count=len(scores)), limit)
