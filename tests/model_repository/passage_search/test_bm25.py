"""BM25: the scores of the textbook formula, in the order of the reference implementation."""

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from passage_search import IndexFilesError, WordIndex
from rank_bm25 import BM25Okapi

WORDS = st.lists(st.sampled_from("abcdefghij"), max_size=12)
CORPORA = st.lists(WORDS, min_size=1, max_size=25).filter(any)
K1, B = 1.2, 0.6


class LuceneBM25(BM25Okapi):  # type: ignore[misc]
    """rank-bm25 with the inverse document frequency that never falls below zero, as Lucene has it."""

    def _calc_idf(self, nd: dict[str, int]) -> None:
        self.idf = {word: math.log(1 + (self.corpus_size - n + 0.5) / (n + 0.5)) for word, n in nd.items()}


@settings(deadline=None)
@given(corpus=CORPORA, query=WORDS)
def test_scores_and_order_equal_rank_bm25(corpus: list[list[str]], query: list[str]) -> None:
    # rank-bm25 multiplies every score by (k1 + 1), which changes no order.
    expected = LuceneBM25(corpus, k1=K1, b=B).get_scores(query) / (K1 + 1)
    found = WordIndex.build(corpus, k1=K1, b=B).search(" ".join(query), limit=len(corpus))
    assert set(found.rows.tolist()) == set(np.flatnonzero(expected > 0).tolist())
    np.testing.assert_allclose(found.scores, expected[found.rows], rtol=1e-4)
    assert all(np.diff(found.scores) <= 0)


def test_equal_scores_come_in_the_order_of_the_passages() -> None:
    found = WordIndex.build([["a"], ["b"], ["a"], ["a"]]).search("a", limit=2)
    assert found.rows.tolist() == [0, 2]


def test_a_query_without_a_known_word_finds_nothing() -> None:
    index = WordIndex.build([["a"], ["b"]])
    assert [len(index.search(query, 5).rows) for query in ("", "?!", "zebra")] == [0, 0, 0]


def test_an_index_without_words_finds_nothing() -> None:
    assert len(WordIndex.build([[], []]).search("a", 5).rows) == 0


def test_more_results_than_passages_are_not_asked_of_it() -> None:
    assert WordIndex.build([["a"], ["a", "b"]]).search("a b", limit=100).rows.tolist() == [1, 0]


def test_a_saved_index_finds_the_same(tmp_path: Path) -> None:
    index = WordIndex.build([["a", "超级"], ["b"], ["a", "b", "ß"]])
    index.save(tmp_path)
    loaded = WordIndex.load(tmp_path)
    assert loaded.passages == 3
    for query in ("a", "b a", "ß"):
        before, after = index.search(query, 3), loaded.search(query, 3)
        assert (before.rows.tolist(), before.scores.tolist()) == (after.rows.tolist(), after.scores.tolist())


def test_a_missing_index_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(IndexFilesError, match=r"words cannot be loaded .* build the repository again"):
        WordIndex.load(tmp_path)
