"""JSON lines: one object a line with `id` and `text`, and `title` and `source` where there are any."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from triton_rag_export.corpus.document import Document
from triton_rag_export.errors import CorpusError


def read_json_lines(path: Path) -> Iterator[Document]:
    """The documents of a file of JSON lines.

    `id` and `text` are required and not empty; `title` (default "") and `source` (default: the file's name)
    are optional; other keys are ignored, and so are empty lines.

    Raises:
        CorpusError: names path and line of what is not UTF-8, not JSON, of the wrong type, or a repeated id.
    """
    line_of_id: dict[str, int] = {}
    for number, line in _lines(path):
        where = f"{path}:{number}"
        row = _parsed(line, where)
        document = Document(
            id=_required_text(row, "id", where),
            title=_optional_text(row, "title", "", where),
            text=_required_text(row, "text", where),
            source=_optional_text(row, "source", path.name, where),
        )
        if document.id in line_of_id:
            raise CorpusError(
                f'{where}: id "{document.id}" was used in line {line_of_id[document.id]}. '
                "Give every line its own id."
            )
        line_of_id[document.id] = number
        yield document


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Lines that are not empty, with their numbers from 1; a byte order mark is dropped."""
    try:
        with path.open("rb") as file:
            for number, raw in enumerate(file, start=1):
                try:
                    line = raw.decode("utf-8-sig" if number == 1 else "utf-8")
                except UnicodeDecodeError as error:
                    raise CorpusError(
                        f"{path}:{number}: not UTF-8 at byte {error.start} of the line. "
                        "Save the file as UTF-8."
                    ) from error
                if line.strip():
                    yield number, line
    except OSError as error:
        raise CorpusError(f"{path}: cannot be read: {error.strerror}. Give a file of JSON lines.") from error


def _parsed(line: str, where: str) -> Mapping[str, Any]:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise CorpusError(f"{where}: not JSON: {error}. Write one JSON object a line.") from error
    if not isinstance(row, dict):
        raise CorpusError(
            f'{where}: not a JSON object. Write {{"id": "...", "title": "...", "text": "..."}}.'
        )
    return row


def _required_text(row: Mapping[str, Any], key: str, where: str) -> str:
    if key not in row:
        raise CorpusError(f'{where}: "{key}" is missing. Every line needs "id" and "text".')
    text = _text(row, key, where)
    if not text.strip():
        raise CorpusError(f'{where}: "{key}" is empty. Give it a text or remove the line.')
    return text


def _optional_text(row: Mapping[str, Any], key: str, default: str, where: str) -> str:
    return default if row.get(key) is None else _text(row, key, where)


def _text(row: Mapping[str, Any], key: str, where: str) -> str:
    value = row[key]
    if not isinstance(value, str):
        raise CorpusError(f'{where}: "{key}" is {json.dumps(value)[:60]}. It must be a string.')
    try:
        value.encode("utf-8")
    except UnicodeEncodeError as error:  # JSON can escape half of a surrogate pair: no text has that
        raise CorpusError(
            f'{where}: "{key}" has half a surrogate pair at character {error.start}. Remove it.'
        ) from error
    return value
