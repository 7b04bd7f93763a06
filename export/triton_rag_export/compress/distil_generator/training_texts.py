"""Read what a generator is trained on: JSON lines of prompts, questions or texts, and plain text files.

    {"prompt": "...", "answer": "..."}              `source` may stand for `prompt`
    {"question": "...", "answers": ["...", ...],    the first answer is learned; `passage_id` names the
     "passage_id": "..."}                           passage that goes into the prompt beside others
    {"title": "...", "text": "..."}                 learned as it stands: a corpus's passages, say

In a file with another ending than .jsonl, paragraphs (between empty lines) are texts. Empty fields are read
as they are: the examples that would come of them are skipped and counted.
"""

import json
import random
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from prompting import PromptPassage

from triton_rag_export.compress.distil_generator.examples import TrainingText
from triton_rag_export.errors import CorpusError
from triton_rag_export.evaluate.judged_data import PASSAGES_FILE

_KEYS = '"prompt" (or "source") with "answer", "question" with "answers" and "passage_id", or "text"'


def read_training_texts(path: Path, *, passages: int = 1, seed: int = 0) -> tuple[TrainingText, ...]:
    """Read a file of training texts.

    Args:
        path: JSON lines (`.jsonl`) or plain text, UTF-8. Passages of questions lie beside it, in
            `passages.jsonl`.
        passages: how many go into a question's prompt, the right one among them at a place drawn by lot; the
            others are drawn from the file.
        seed: of the draw.

    Raises:
        CorpusError: the file cannot be read or holds nothing, or a row is wrong; names file and line.
    """
    rows = _rows(path) if path.suffix == ".jsonl" else _paragraphs(path)
    draw = _PassageDraw(path.parent / PASSAGES_FILE, passages, seed)
    texts = tuple(_training_text(row, where, draw) for where, row in rows)
    if not texts:
        raise CorpusError(f"{path} holds no texts: give JSON lines with {_KEYS}, or plain text")
    return texts


class _PassageDraw:
    """The passages of a file, read when the first question asks for one."""

    def __init__(self, path: Path, count: int, seed: int) -> None:
        self._path, self._count, self._random = path, count, random.Random(seed)
        self._passages: dict[str, PromptPassage] = {}

    def around(self, passage_id: str, where: str) -> tuple[PromptPassage, ...]:
        """The passage among others."""
        if not self._passages:
            for row_where, row in _rows(self._path):
                passage = PromptPassage(_text(row, "title", row_where), _text(row, "text", row_where))
                self._passages[_text(row, "id", row_where)] = passage
            self._ids = sorted(self._passages)
        if passage_id not in self._passages:
            raise CorpusError(f'{where}: "passage_id" is {passage_id!r}, which is not in {self._path}')
        others = self._random.sample(self._ids, min(self._count, len(self._ids)))
        chosen = [other for other in others if other != passage_id][: self._count - 1]
        chosen.insert(self._random.randint(0, len(chosen)), passage_id)
        return tuple(self._passages[each] for each in chosen)


def _training_text(row: Mapping[str, Any], where: str, draw: _PassageDraw) -> TrainingText:
    for key in ("prompt", "source"):
        if key in row:
            return TrainingText(_optional(row, "answer", where), prompt=_text(row, key, where), name=where)
    if "question" in row:
        answers = row.get("answers", [])
        if not isinstance(answers, list) or not all(isinstance(answer, str) for answer in answers):
            raise CorpusError(f'{where}: "answers" is {_shown(answers)}: give a list of texts')
        passage_id = _optional(row, "passage_id", where)
        return TrainingText(
            answers[0] if answers else None,
            question=_text(row, "question", where),
            passages=draw.around(passage_id, where) if passage_id else (),
            name=where,
        )
    if "text" in row:
        title, text = _optional(row, "title", where) or "", _text(row, "text", where)
        return TrainingText(f"{title}\n{text}" if title and text.strip() else text, name=where)
    raise CorpusError(f"{where}: none of the known keys: give {_KEYS}")


def _rows(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for number, line in enumerate(_read(path).split("\n"), start=1):
        if not line.strip():
            continue
        where = f"{path}:{number}"
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise CorpusError(f"{where}: not JSON ({error}): write one JSON object a line") from error
        if not isinstance(row, dict):
            raise CorpusError(f"{where}: {_shown(row)} is no object: give {_KEYS}")
        yield where, row


def _paragraphs(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for number, paragraph in enumerate(_read(path).split("\n\n"), start=1):
        if paragraph.strip():
            yield f"{path}, paragraph {number}", {"text": paragraph.strip()}


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise CorpusError(f"{path}: not UTF-8 at byte {error.start}: save the file as UTF-8") from error
    except OSError as error:
        raise CorpusError(
            f"{path} cannot be read ({error.strerror}): name a file of training texts"
        ) from error


def _text(row: Mapping[str, Any], key: str, where: str) -> str:
    value = row.get(key)
    if not isinstance(value, str):
        raise CorpusError(f'{where}: "{key}" is {_shown(value)}: give a text')
    return value


def _optional(row: Mapping[str, Any], key: str, where: str) -> str | None:
    return None if row.get(key) is None else _text(row, key, where)


def _shown(value: Any) -> str:
    text: Sequence[str] = json.dumps(value, ensure_ascii=False)
    return str(text) if len(text) <= 60 else f"{text[:60]}…"
