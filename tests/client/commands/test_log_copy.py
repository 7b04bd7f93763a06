"""A log that grows, moves and is emptied, copied as it does."""

from __future__ import annotations

import pytest
from triton_rag_client.commands.log_copy import LogCopy


@pytest.fixture
def log(tmp_path):
    return tmp_path / "triton.log"


def test_what_is_written_from_the_start_to_the_end_is_copied_once(log, capsys):
    with LogCopy(log), log.open("w") as out:
        out.write("first\n")
        out.flush()
        out.write("last, without an end")
    assert capsys.readouterr().err == "first\nlast, without an end"


def test_what_was_there_before_is_not_copied(log, capsys):
    log.write_text("before\n")
    with LogCopy(log), log.open("a") as out:
        out.write("after\n")
    assert capsys.readouterr().err == "after\n"


def test_a_log_that_took_the_place_of_another_is_copied_from_its_first_line(log, capsys):
    log.write_text("of an earlier server, and longer than what follows\n")
    with LogCopy(log):
        log.unlink()
        log.write_text("new\n")
    assert capsys.readouterr().err == "new\n"


def test_the_last_lines_of_a_log_that_was_moved_away_come_first(log, capsys):
    log.write_text("")
    with LogCopy(log):
        log.write_text("last words\n")
        log.replace(log.with_suffix(".previous"))
        log.write_text("again\n")
    assert capsys.readouterr().err == "last words\nagain\n"


def test_an_emptied_log_is_copied_anew(log, capsys):
    log.write_text("a long line that was there before\n")
    with LogCopy(log):
        log.write_text("short\n")
    assert capsys.readouterr().err == "short\n"


def test_no_log_at_all_is_nothing_to_copy(log, capsys):
    with LogCopy(log):
        pass
    assert capsys.readouterr().err == ""
