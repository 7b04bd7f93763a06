"""Measures of ranked retrieval equal what their definitions give."""

import math

import pytest
from triton_rag_export.evaluate.retrieval_measures import MEASURES, retrieval_measures


def test_a_perfect_ranking_has_the_best_of_every_measure() -> None:
    assert retrieval_measures([{"a": 1}], [["a", "b"]]) == dict.fromkeys(MEASURES, 1.0)


def test_the_right_one_in_third_place() -> None:
    values = retrieval_measures([{"c": 1}], [["a", "b", "c"]])
    assert values["nDCG@10"] == pytest.approx(1 / math.log2(4))
    assert values["MRR"] == pytest.approx(1 / 3)
    assert (values["recall@1"], values["recall@5"]) == (0.0, 1.0)


def test_grades_weigh_in_ndcg() -> None:
    values = retrieval_measures([{"best": 3, "good": 1}], [["good", "best"]])
    ideal = 3 + 1 / math.log2(3)
    assert values["nDCG@10"] == pytest.approx((1 + 3 / math.log2(3)) / ideal)


def test_a_question_that_finds_nothing_counts_as_zero() -> None:
    values = retrieval_measures([{"a": 1}, {"b": 1}], [["a"], []])
    assert values == dict.fromkeys(MEASURES, 0.5)


def test_what_is_behind_the_tenth_place_counts_for_mrr_alone() -> None:
    ranking = [str(number) for number in range(10)] + ["a"]
    values = retrieval_measures([{"a": 1}], [ranking])
    assert values["MRR"] == pytest.approx(1 / 11)
    assert values["nDCG@10"] == values["recall@10"] == 0.0
