"""A question may name passages or documents, and dropped repetitions count as what stayed."""

from collections.abc import Mapping
from pathlib import Path

import pytest
from triton_rag_export.errors import EvaluationError
from triton_rag_export.evaluate.judgements import IndexedIds, Judgement, judge
from triton_rag_export.evaluate.questions import Question

DOCUMENTS = {
    "for#1": "for",
    "for#2": "for",
    "while": "while",
    "with#1": "with",
    "with#2": "with",
    "again": "again",
    "copy#1": "copy",
    "copy#2": "copy",
    "faq#1": "faq#1",
    "faq#2": "faq#2",
    "twin#1": "twin",
    "twin#2": "twin",
}
IDS = IndexedIds(DOCUMENTS, {"again": "while", "copy#1": "for#2", "twin#1": "with#1", "twin#2": "with#2"})


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


def test_a_document_whose_id_looks_like_a_piece_counts_alone() -> None:
    judgement = judged({"faq#1": 2})
    assert judgement.grades == {"faq#1": 2}
    assert judgement.ranked(["faq#2", "faq#1"], IDS) == ["faq#2", "faq#1"]


def test_a_document_whose_passages_were_all_dropped_counts_as_the_document_that_stayed() -> None:
    assert judged({"twin": 1}).grades == {"with": 1}
    assert judged({"copy": 1}).grades == {"copy": 1}  # one of its passages is still found
