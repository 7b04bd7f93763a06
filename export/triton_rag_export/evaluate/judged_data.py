"""Judged data sets: passages, and questions that name the ones which answer them.

A data set is a folder with `passages.jsonl` (`id`, `title`, `text`) and `questions.dev.jsonl` (as for
`triton-rag evaluate`).
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from triton_rag_export.corpus import Passage, whole_passages
from triton_rag_export.corpus.json_lines import read_json_lines
from triton_rag_export.errors import EvaluationError
from triton_rag_export.evaluate.questions import Question, read_questions

PASSAGES_FILE = "passages.jsonl"
QUESTIONS_FILE = "questions.dev.jsonl"
PASSAGES_A_QUESTION = 20
"""With a limit, so many passages a question are kept beside the right ones."""


@dataclass(frozen=True, slots=True)
class JudgedData:
    """Questions over passages.

    Attributes:
        questions: each names passages by id.
        passages: in the order of the file.
    """

    questions: Sequence[Question]
    passages: Sequence[Passage]


def find_judged_data(folder: Path) -> dict[str, Path]:
    """The data sets in a folder, at any depth, by their paths below it.

    Raises:
        EvaluationError: there is none.
    """
    walked = os.walk(folder, followlinks=True)  # data lie elsewhere, and are linked here
    paths = sorted(Path(path) for path, _, files in walked if QUESTIONS_FILE in files)
    if not paths:
        raise EvaluationError(
            f"{folder} holds no data set: name a folder with {PASSAGES_FILE} and {QUESTIONS_FILE}, "
            "or one above such folders"
        )
    return {path.relative_to(folder).as_posix() if path != folder else folder.name: path for path in paths}


def read_judged_data(path: Path, limit: int | None) -> JudgedData:
    """Read a data set.

    Args:
        path: its folder.
        limit: so many questions, and as many passages a question as `PASSAGES_A_QUESTION`; None: all.

    Raises:
        CorpusError: the passages cannot be read; names file and line.
        EvaluationError: the questions cannot be read, or name a passage that is not there.
    """
    questions = read_questions(path / QUESTIONS_FILE, limit)
    passages = whole_passages(read_json_lines(path / PASSAGES_FILE))
    known = {passage.id for passage in passages}
    for question in questions:
        if missing := [name for name in question.relevant if name not in known]:
            raise EvaluationError(
                f"{path / QUESTIONS_FILE}:{question.line}: {missing[0]!r} is no passage of "
                f"{path / PASSAGES_FILE}: correct the id, or add the passage"
            )
    if limit is not None:
        right = {name for question in questions for name in question.relevant}
        others = (passage for passage in passages if passage.id not in right)
        wanted = [passage for passage in passages if passage.id in right]
        passages = [*wanted, *list(others)[: PASSAGES_A_QUESTION * limit]]
    return JudgedData(questions, passages)
