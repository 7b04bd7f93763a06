"""Dense search: exact search equals brute force, HNSW nearly does, and a batch changes nothing."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from passage_search import IndexFilesError, VectorIndex

Vectors = npt.NDArray[np.float32]


def unit_vectors(count: int, dimension: int, seed: int) -> Vectors:
    drawn = np.random.default_rng(seed).normal(size=(count, dimension)).astype(np.float32)
    unit: Vectors = drawn / np.linalg.norm(drawn, axis=1, keepdims=True)
    return unit


PASSAGES, QUERIES = unit_vectors(2000, 48, seed=1), unit_vectors(70, 48, seed=2)


def test_exact_search_equals_brute_force() -> None:
    rankings = VectorIndex.build(PASSAGES).search(QUERIES, limit=20)
    scores = QUERIES.astype(np.float64) @ PASSAGES.astype(np.float64).T
    for ranking, row in zip(rankings, scores, strict=True):
        assert ranking.rows.tolist() == np.argsort(-row)[:20].tolist()
        np.testing.assert_allclose(ranking.scores, row[ranking.rows], atol=1e-6)


def test_a_query_finds_the_same_bits_alone_and_in_a_batch() -> None:
    index = VectorIndex.build(PASSAGES)
    for query, together in zip(QUERIES, index.search(QUERIES, limit=20), strict=True):
        (alone,) = index.search(query[None], limit=20)
        assert alone.rows.tolist() == together.rows.tolist()
        assert alone.scores.tobytes() == together.scores.tobytes()


def test_approximate_search_finds_nearly_all() -> None:
    exact = VectorIndex.build(PASSAGES).search(QUERIES, limit=10)
    approximate = VectorIndex.build(PASSAGES, approximate=True).search(QUERIES, limit=10)
    shared = [
        len(set(a.rows.tolist()) & set(b.rows.tolist())) for a, b in zip(exact, approximate, strict=True)
    ]
    assert sum(shared) / (10 * len(QUERIES)) > 0.95


def test_equal_vectors_come_in_the_order_of_the_passages() -> None:
    index = VectorIndex.build(np.repeat(QUERIES[:1], 9, axis=0))
    assert index.search(QUERIES[:1], limit=4)[0].rows.tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("approximate", [False, True])
def test_more_results_than_passages_give_all_of_them(approximate: bool) -> None:
    index = VectorIndex.build(PASSAGES[:5], approximate=approximate)
    assert sorted(index.search(QUERIES[:1], limit=100)[0].rows.tolist()) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("approximate", [False, True])
def test_a_saved_index_finds_the_same(tmp_path: Path, approximate: bool) -> None:
    index = VectorIndex.build(PASSAGES, approximate=approximate)
    index.save(tmp_path)
    loaded = VectorIndex.load(tmp_path)
    assert (loaded.dimension, loaded.passages) == (48, 2000)
    before, after = index.search(QUERIES, 10), loaded.search(QUERIES, 10)
    assert [r.rows.tolist() for r in before] == [r.rows.tolist() for r in after]


def test_a_missing_index_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(IndexFilesError, match="build the repository again"):
        VectorIndex.load(tmp_path)
