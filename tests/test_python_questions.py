"""The questions about Python are what their README says, on the Python that runs."""

from pathlib import Path

import pytest
from python_questions import (
    Evidence,
    PythonQuestion,
    answering_passages,
    normalized,
    read_python_questions,
    recall_at,
)
from triton_rag_export.corpus import read_documents
from triton_rag_export.recipe import load_recipe

ROOT = Path(__file__).resolve().parents[1]
KINDS = ("how-to", "concept", "error", "identifier")


@pytest.fixture(scope="module")
def questions() -> list[PythonQuestion]:
    return read_python_questions()


@pytest.fixture(scope="module")
def documents() -> dict[str, str]:
    recipe = load_recipe(ROOT / "recipes" / "python-docs.toml")
    return {document.id: normalized(document.text) for document in read_documents(recipe.corpus)}


def test_there_are_enough_questions_of_every_kind(questions: list[PythonQuestion]) -> None:
    counts = {kind: sum(question.kind == kind for question in questions) for kind in KINDS}
    assert len(questions) >= 200
    assert sum(counts.values()) == len(questions)
    assert min(counts.values()) >= 20


def test_no_question_is_asked_twice(questions: list[PythonQuestion]) -> None:
    assert len({question.question.casefold() for question in questions}) == len(questions)


def test_every_quote_stands_in_its_document(
    questions: list[PythonQuestion], documents: dict[str, str]
) -> None:
    missing = [
        f"{evidence.document_id}: {evidence.quote}"
        for question in questions
        for evidence in question.evidence
        if evidence.quote not in documents.get(evidence.document_id, "")
    ]
    assert not missing, "\n".join(missing)


def test_a_quote_finds_its_passage_whatever_the_line_breaks() -> None:
    question = PythonQuestion("?", "concept", (Evidence("a", "two words and two more"),))
    found = answering_passages([question], {"a#0": "before two\n  words and\ttwo more", "b": "two words"})
    assert found == {"?": {"a#0"}}


def test_a_quote_that_was_cut_in_two_finds_both_pieces() -> None:
    question = PythonQuestion("?", "concept", (Evidence("a", "two words and two more"),))
    found = answering_passages([question], {"a#0": "before two words", "a#1": "and two more", "b": "two"})
    assert found == {"?": {"a#0", "a#1"}}


def test_a_quote_that_is_nowhere_is_an_error_that_names_it() -> None:
    question = PythonQuestion("Who?", "concept", (Evidence("a", "not there"),))
    with pytest.raises(LookupError, match=r"Who.*not there"):
        answering_passages([question], {"a": "something else"})


def test_recall_counts_a_question_once_however_many_passages_answer_it() -> None:
    answers = {"first": frozenset({"a", "b"}), "second": frozenset({"c"})}
    found = {"first": ["x", "a", "b"], "second": ["x", "y", "c"]}
    assert [recall_at(k, found, answers) for k in (1, 2, 3)] == [0, 0.5, 1]
