"""The ledger's file: a row a line, as JSON; rows are added at the end and never changed.

A row that is known is added again where a recipe goes back to it: what stands last is how its model is now.

A row is written under a lock, so that two builds may share a ledger. A build that is killed, or a disk that
fills up, can leave a last line without its end: readers leave it out and say so, and the next writer removes
it, since it never became a row.
"""

import fcntl
import json
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from triton_rag_export.errors import LedgerError
from triton_rag_export.evaluate.ledger.row import FORMAT, LedgerRow

LOGGER = logging.getLogger(__name__)
_ROWS = TypeAdapter(LedgerRow)
_BLOCK_BYTES = 65_536


def append_row(path: Path, row: LedgerRow) -> None:
    """Add a row at the end of a ledger, which is made if it is missing.

    Raises:
        LedgerError: the file cannot be written; what was in it is still there.
    """
    line = (json.dumps(asdict(row), ensure_ascii=False) + "\n").encode()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _locked(path) as file:
            end = _end_of_rows(file)
            os.ftruncate(file, end)
            os.lseek(file, end, os.SEEK_SET)
            _write_whole(file, line, end)
    except OSError as error:
        raise LedgerError(
            f"{path} cannot be written ({error}): free the disk, or name another file"
        ) from error


def read_rows(path: Path) -> list[LedgerRow]:
    """The rows of a ledger, the oldest first.

    A last line without its end is left out with a warning.

    Raises:
        LedgerError: the file cannot be read, or a line is no row; names file and line.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise LedgerError(f"{path} cannot be read ({error}): name a ledger, a file of JSON lines") from error
    *lines, rest = content.split(b"\n")
    if rest:
        LOGGER.warning("%s:%d: left out, the line has no end: its writer was killed", path, len(lines) + 1)
    return [_row(line, f"{path}:{number}") for number, line in enumerate(lines, start=1) if line.strip()]


def _row(line: bytes, where: str) -> LedgerRow:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise LedgerError(
            f"{where}: no JSON ({error}): remove the line, or take the ledger's copy"
        ) from error
    if isinstance(found, dict) and found.get("format") != FORMAT:
        raise LedgerError(
            f"{where}: format is {found.get('format')!r}; allowed: {FORMAT}; use the triton-rag that wrote it"
        )
    try:
        return _ROWS.validate_python(found)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"]) or "the line"
        raise LedgerError(
            f"{where}: no row of a ledger: {key}: {first['msg']}: remove the line, or take the ledger's copy"
        ) from error


@contextmanager
def _locked(path: Path) -> Iterator[int]:
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield file
    finally:
        os.close(file)


def _end_of_rows(file: int) -> int:
    """Where the last complete line ends."""
    end = os.fstat(file).st_size
    while end > 0:
        start = max(0, end - _BLOCK_BYTES)
        newline = os.pread(file, end - start, start).rfind(b"\n")
        if newline >= 0:
            return start + newline + 1
        end = start
    return 0


def _write_whole(file: int, line: bytes, start: int) -> None:
    """Write a line, or nothing of it."""
    try:
        written = 0
        while written < len(line):
            written += os.write(file, line[written:])
        os.fsync(file)
    except OSError:
        os.ftruncate(file, start)
        raise
