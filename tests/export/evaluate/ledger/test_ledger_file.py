"""The ledger's file: rows come back as they went in, whatever happens to a writer."""

import errno
import json
import os
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from export.evaluate.ledger.rows import ORIGINAL, step_after
from triton_rag_export.errors import LedgerError
from triton_rag_export.evaluate.ledger import append_row, read_rows
from triton_rag_export.evaluate.ledger.row import Failure


def test_rows_come_back_as_they_were_added(tmp_path: Path) -> None:
    rows = [ORIGINAL, step_after(failures=(Failure("MRR", "too little – é"),))]
    for row in rows:
        append_row(tmp_path / "new" / "ledger.jsonl", row)
    assert read_rows(tmp_path / "new" / "ledger.jsonl") == rows


def test_a_line_without_its_end_is_left_out_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    ledger = tmp_path / "ledger.jsonl"
    append_row(ledger, ORIGINAL)
    ledger.write_bytes(ledger.read_bytes() * 2)
    os.truncate(ledger, ledger.stat().st_size - 40)
    assert read_rows(ledger) == [ORIGINAL]
    assert f"{ledger}:2" in caplog.text


@pytest.mark.parametrize("rest", [b"{", b'{"key": "\xf0\x9f', b"x" * 200_000])
def test_the_next_writer_removes_a_line_without_its_end(tmp_path: Path, rest: bytes) -> None:
    ledger = tmp_path / "ledger.jsonl"
    append_row(ledger, ORIGINAL)
    with ledger.open("ab") as file:
        file.write(rest)
    append_row(ledger, step_after())
    assert read_rows(ledger) == [ORIGINAL, step_after()]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{", "no JSON"),
        ("[1]", "no row of a ledger"),
        ('{"format": 99}', "format is 99; allowed: 1"),
        ('{"format": 1}', "no row of a ledger: key"),
    ],
)
def test_an_unreadable_line_is_named(tmp_path: Path, line: str, reason: str) -> None:
    ledger = tmp_path / "ledger.jsonl"
    append_row(ledger, ORIGINAL)
    with ledger.open("a") as file:
        file.write(line + "\n")
    with pytest.raises(LedgerError, match=rf"ledger\.jsonl:2: {reason}"):
        read_rows(ledger)


def test_a_value_of_the_wrong_type_is_named(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.jsonl"
    append_row(ledger, ORIGINAL)
    row = json.loads(ledger.read_text())
    row["size"]["parameters"] = "many"
    ledger.write_text(json.dumps(row) + "\n")
    with pytest.raises(LedgerError, match=r"ledger\.jsonl:1: .*size\.parameters"):
        read_rows(ledger)


def test_a_ledger_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match=r"none\.jsonl cannot be read"):
        read_rows(tmp_path / "none.jsonl")


def test_a_full_disk_leaves_the_rows_that_were_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = tmp_path / "ledger.jsonl"
    append_row(ledger, ORIGINAL)
    write = os.write

    def write_half(file: int, data: bytes) -> int:
        monkeypatch.setattr(os, "write", full)
        return write(file, data[: len(data) // 2])

    def full(file: int, data: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "write", write_half)
    with pytest.raises(LedgerError, match="No space left"):
        append_row(ledger, step_after())
    monkeypatch.undo()
    assert ledger.read_bytes().endswith(b"\n")
    assert read_rows(ledger) == [ORIGINAL]


def test_writers_side_by_side_lose_no_row(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.jsonl"

    def add(writer: int) -> None:
        for number in range(20):
            append_row(ledger, replace(ORIGINAL, key=f"{writer}-{number}"))

    threads = [threading.Thread(target=add, args=(writer,)) for writer in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {row.key for row in read_rows(ledger)} == {f"{w}-{n}" for w in range(4) for n in range(20)}
