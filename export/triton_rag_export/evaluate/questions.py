"""Read a file of questions: JSON lines, each naming the passages or documents that answer it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from triton_rag_export.errors import EvaluationError

_KEYS = 'an object with "question", one of "passage_id" and "relevant", and optionally "answers"'


@dataclass(frozen=True, slots=True)
class Question:
    """A question and what is right for it.

    Attributes:
        text: the question.
        relevant: grade (1 or more) by id of a passage or document.
        answers: texts that are right answers; empty when the file gives none.
        line: where in the file it stands, from 1.
    """

    text: str
    relevant: Mapping[str, int]
    answers: tuple[str, ...]
    line: int


def read_questions(path: Path, limit: int | None = None) -> tuple[Question, ...]:
    """Read questions.

    Args:
        path: JSON lines, UTF-8; other keys than the known ones are left alone.
        limit: read no more than so many questions.

    Raises:
        EvaluationError: the file cannot be read, is empty, or a row is wrong; names file and line.
    """
    questions: list[Question] = []
    try:
        with path.open("rb") as file:
            for number, raw in enumerate(file, start=1):
                if limit is not None and len(questions) >= limit:
                    break
                line = _decoded(raw, f"{path}:{number}", "utf-8-sig" if number == 1 else "utf-8")
                if line.strip():
                    questions.append(_question(line, f"{path}:{number}", number))
    except OSError as error:
        raise EvaluationError(f"{path} cannot be read ({error}): give JSON lines in UTF-8") from error
    if not questions:
        raise EvaluationError(f"{path} holds no questions: give JSON lines, each {_KEYS}")
    return tuple(questions)


def _decoded(raw: bytes, where: str, encoding: str) -> str:
    try:
        return raw.decode(encoding)
    except UnicodeDecodeError as error:
        raise EvaluationError(
            f"{where}: not UTF-8 at byte {error.start} of the line: give JSON lines in UTF-8"
        ) from error


def _question(line: str, where: str, number: int) -> Question:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise EvaluationError(f"{where}: no JSON ({error}): give {_KEYS}") from error
    if not isinstance(row, dict):
        raise EvaluationError(f"{where}: {_shown(row)} is no object: give {_KEYS}")
    text = row.get("question")
    if not isinstance(text, str) or not text.strip():
        raise EvaluationError(f'{where}: "question" is {_shown(text)}: give a text that is not empty')
    return Question(text, _relevant(row, where), _answers(row, where), number)


def _relevant(row: Mapping[str, Any], where: str) -> dict[str, int]:
    passage_id, relevant = row.get("passage_id"), row.get("relevant")
    if (passage_id is None) == (relevant is None):
        raise EvaluationError(f'{where}: give either "passage_id" or "relevant" (ids with grades)')
    if passage_id is not None:
        if not isinstance(passage_id, str) or not passage_id:
            raise EvaluationError(
                f'{where}: "passage_id" is {_shown(passage_id)}: give the id of a passage or document'
            )
        return {passage_id: 1}
    if not isinstance(relevant, dict) or not all(_is_grade(grade) for grade in relevant.values()):
        raise EvaluationError(
            f'{where}: "relevant" is {_shown(relevant)}: give an object of ids with whole grades from 0'
        )
    graded = {str(key): int(grade) for key, grade in relevant.items() if grade > 0}
    if not graded:
        raise EvaluationError(f'{where}: "relevant" names no id with a grade of 1 or more')
    return graded


def _answers(row: Mapping[str, Any], where: str) -> tuple[str, ...]:
    answers = row.get("answers", [])
    if not isinstance(answers, list) or not all(isinstance(answer, str) for answer in answers):
        raise EvaluationError(f'{where}: "answers" is {_shown(answers)}: give a list of texts')
    return tuple(answers)


def _is_grade(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else text[:60] + "…"
