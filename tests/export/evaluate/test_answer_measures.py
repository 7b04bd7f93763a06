"""Answers are compared as SQuAD compares them, in any script."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from triton_rag_export.evaluate.answer_measures import (
    answer_measures,
    answer_tokens,
    exact_match,
    f1,
    normalize,
)


@pytest.mark.parametrize(
    ("text", "normalized"),
    [
        ("The Eiffel Tower!", "eiffel tower"),
        ("an apple a day", "apple day"),
        ("  U.S.A.  ", "usa"),
        ("Theory of a thing", "theory of thing"),
        ("$1,000.50", "100050"),
        ("“Quoted” – text…", "quoted text"),
        ("ＦＵＬＬ　ｗｉｄｔｈ", "full width"),
        ("東京、日本。", "東京日本"),
        ("Straße", "straße"),
        ("...", ""),
    ],
)
def test_normalization_is_that_of_squad_for_any_script(text: str, normalized: str) -> None:
    assert normalize(text) == normalized


@pytest.mark.parametrize(
    ("answer", "right", "expected"),
    [
        ("Denver Broncos", "Denver Broncos", 1.0),
        ("the Denver Broncos.", "Denver Broncos", 1.0),
        ("Broncos", "Denver Broncos", 2 / 3),
        ("It was the Denver Broncos", "Denver Broncos", 2 / 3),
        ("Carolina Panthers", "Denver Broncos", 0.0),
        ("", "Denver Broncos", 0.0),
        ("the", "a", 1.0),
        ("the the cat", "cat", 1.0),
        ("cat cat", "cat", 2 / 3),
        ("東京都", "東京", 0.8),
        ("在東京", "東京 ", 0.8),
    ],
)
def test_f1_is_over_shared_tokens(answer: str, right: str, expected: float) -> None:
    assert f1(answer, right) == pytest.approx(expected)


def test_characters_of_scripts_without_spaces_are_tokens() -> None:
    assert answer_tokens("Python是一種語言 2024") == ["python", "是", "一", "種", "語", "言", "2024"]


def test_exact_match_ignores_what_squad_ignores() -> None:
    assert exact_match("The 308 points", "308 points") == 1.0
    assert exact_match("308", "308 points") == 0.0


def test_the_best_of_several_right_answers_counts() -> None:
    values = answer_measures(["four"], [["4", "four interceptions", "Four"]])
    assert values == {"exact match": 1.0, "F1": 1.0, "ROUGE-L": 1.0}


def test_measures_are_means_over_the_questions() -> None:
    values = answer_measures(["308", "nothing like it"], [["308"], ["four"]])
    assert values == {"exact match": 0.5, "F1": 0.5, "ROUGE-L": 0.5}


def test_rouge_l_counts_order_and_reads_chinese() -> None:
    assert answer_measures(["c b"], [["b c"]])["ROUGE-L"] == pytest.approx(0.5)
    assert answer_measures(["東京都"], [["東京"]])["ROUGE-L"] == pytest.approx(0.8)


@given(st.text(), st.text())
def test_f1_is_symmetric_and_never_less_than_exact_match(left: str, right: str) -> None:
    assert f1(left, right) == pytest.approx(f1(right, left))
    assert f1(left, left) == 1.0
    assert f1(left, right) <= 1.0


@given(st.text())
def test_normalizing_twice_changes_nothing_but_articles_that_met(text: str) -> None:
    assert normalize(text) == " ".join(normalize(text).split())
