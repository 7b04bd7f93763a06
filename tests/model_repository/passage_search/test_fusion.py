"""Reciprocal rank fusion, reckoned by hand."""

import numpy as np
import pytest
from passage_search import Ranking, fuse_rankings


def ranking(*rows: int) -> Ranking:
    return Ranking(np.array(rows, dtype=np.int64), np.linspace(1, 0, len(rows), dtype=np.float32))


def test_scores_are_the_sums_of_reciprocal_ranks() -> None:
    fused = fuse_rankings([ranking(7, 3, 5), ranking(3, 9)], (1.0, 1.0), k=60, limit=10)
    assert fused.rows.tolist() == [3, 7, 9, 5]
    by_hand = [1 / 62 + 1 / 61, 1 / 61, 1 / 62, 1 / 63]
    assert fused.scores.tolist() == pytest.approx(by_hand)


def test_equal_scores_come_in_the_order_of_the_passages() -> None:
    fused = fuse_rankings([ranking(8, 2), ranking(1, 4)], (1.0, 1.0), k=60, limit=3)
    assert fused.rows.tolist() == [1, 8, 2]


def test_a_weight_gives_a_list_its_share() -> None:
    fused = fuse_rankings([ranking(8, 2), ranking(1, 4)], (0.25, 0.75), k=1, limit=4)
    assert fused.rows.tolist() == [1, 4, 8, 2]
    assert fused.scores.tolist() == pytest.approx([0.75 / 2, 0.75 / 3, 0.25 / 2, 0.25 / 3])


def test_an_empty_list_leaves_the_other_as_it_is() -> None:
    assert fuse_rankings([ranking(4, 2, 6), ranking()], (0.5, 0.5), k=60, limit=2).rows.tolist() == [4, 2]


def test_nothing_fused_is_nothing() -> None:
    assert len(fuse_rankings([ranking(), ranking()], (1.0, 1.0), k=60, limit=5).rows) == 0
