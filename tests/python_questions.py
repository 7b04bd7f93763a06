"""The hand-written questions about Python (`tests/data/`) and the passages that answer them.

A question names the words that answer it. Passages are found by those words, so that the set outlives any
change to the way documents are cut.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

QUESTIONS_FILE = Path(__file__).parent / "data" / "python_questions.jsonl"


@dataclass(frozen=True, slots=True)
class Evidence:
    """Words of one document that answer a question; white space is normalized."""

    document_id: str
    quote: str


@dataclass(frozen=True, slots=True)
class PythonQuestion:
    """A question, its kind (see `tests/data/README.md`) and every text that answers it."""

    question: str
    kind: str
    evidence: tuple[Evidence, ...]


def read_python_questions(path: Path = QUESTIONS_FILE) -> list[PythonQuestion]:
    """Read the questions in the order of the file."""
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [
        PythonQuestion(
            row["question"],
            row["kind"],
            tuple(Evidence(text["document_id"], text["quote"]) for text in (row, *row.get("also", ()))),
        )
        for row in rows
    ]


def answering_passages(
    questions: Iterable[PythonQuestion], passages: Mapping[str, str]
) -> dict[str, frozenset[str]]:
    """Find the passages that answer each question.

    Args:
        questions: The questions.
        passages: The text of every passage by its id.

    Returns:
        For each question the ids of the passages that contain one of its quotes. A quote that was cut in
        two counts for every passage that holds one half of it.

    Raises:
        LookupError: No passage holds any of a question's quotes.
    """
    texts = {passage_id: normalized(text) for passage_id, text in passages.items()}
    answers = {}
    for question in questions:
        found = {hit for evidence in question.evidence for hit in passages_with(evidence.quote, texts)}
        if not found:
            raise LookupError(
                f"no passage answers {question.question!r}: none holds {question.evidence[0].quote!r}"
            )
        answers[question.question] = frozenset(found)
    return answers


def recall_at(k: int, found: Mapping[str, Sequence[str]], answers: Mapping[str, frozenset[str]]) -> float:
    """The share of questions that have a right passage among the first `k` found.

    Passages that answer a question are mostly the same words in another document, so one of them is enough.

    Args:
        k: how many passages of each list count.
        found: For each question the ids that were found, best first.
        answers: For each question the right ids, from `answering_passages`.
    """
    return sum(not right.isdisjoint(found[question][:k]) for question, right in answers.items()) / len(
        answers
    )


def passages_with(quote: str, texts: Mapping[str, str]) -> set[str]:
    """The ids of the texts that hold the whole quote, or where none does, one half of it."""
    whole = {passage_id for passage_id, text in texts.items() if quote in text}
    if whole:
        return whole
    words = quote.split()
    halves = " ".join(words[: len(words) // 2]), " ".join(words[len(words) // 2 :])
    return {passage_id for passage_id, text in texts.items() if any(half in text for half in halves)}


def normalized(text: str) -> str:
    """The text with every run of white space as one space."""
    return " ".join(text.split())
