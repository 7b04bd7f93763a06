"""A question may name passages or documents, and dropped repetitions count as what stayed."""

from collections.abc import Mapping
from pathlib import Path

import pytest
from triton_rag_export.errors import EvaluationError
from triton_rag_export.evaluate.indexed_ids import document_of
from triton_rag_export.evaluate.judgements import IndexedIds, Judgement, judge
from triton_rag_export.evaluate.questions import Question

PASSAGES = ("for#1", "for#2", "while", "with#1", "with#2")
IDS = IndexedIds({name: document_of(name) for name in PASSAGES}, {"again": "while", "copy#1": "for#2"})


def judged(relevant: Mapping[str, int]) -> Judgement:
    return judge([Question("q", relevant, (), 4)], IDS, Path("questions.jsonl"))[0]


def test_a_document_is_ranked_by_its_best_passage() -> None:
    judgement = judged({"for": 1})
    assert judgement.grades == {"for": 1}
    assert judgement.ranked(["with#2", "for#2", "with#1", "for#1"], IDS) == ["with", "for"]


def test_a_passage_is_ranked_by_itself() -> None:
    judgement = judged({"for#2": 1})
    assert judgement.ranked(["for#1", "for#2"], IDS) == ["for#1", "for#2"]


def test_passages_beside_documents_count_as_their_documents() -> None:
    assert judged({"for#2": 1, "with": 2}).grades == {"for": 1, "with": 2}


def test_a_repetition_counts_as_the_passage_that_stayed() -> None:
    assert judged({"copy#1": 1}).grades == {"for#2": 1}
    assert judged({"again": 1}).grades == {"while": 1}


def test_an_unknown_id_is_named_with_file_and_line() -> None:
    with pytest.raises(EvaluationError, match=r"questions\.jsonl:4: 'for#3' is no passage"):
        judged({"for#3": 1})


@pytest.mark.parametrize(
    ("passage_id", "document_id"),
    [
        ("topics/for#2", "topics/for"),
        ("topics/for", "topics/for"),
        ("a#b", "a#b"),
        ("a#0", "a#0"),
        ("#1", "#1"),
    ],
)
def test_the_document_of_a_passage(passage_id: str, document_id: str) -> None:
    assert document_of(passage_id) == document_id
