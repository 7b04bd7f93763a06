"""A crash is seen in the log, since the process may outlive it."""

from pathlib import Path

import pytest
from triton_rag_server.crash import CrashWatch

NOISE = (
    b'I1125 07:47:02.663091 29324 grpc_server.cc:2558] "Started GRPCInferenceService at 127.0.0.1:34599"\n'
)


@pytest.fixture
def log_file(tmp_path: Path) -> Path:
    path = tmp_path / "log"
    path.write_bytes(NOISE)
    return path


def add(log_file: Path, text: bytes) -> None:
    with log_file.open("ab") as log:
        log.write(text)


@pytest.mark.parametrize("signal", [4, 6, 7, 8, 11])
def test_a_crash_is_told_with_its_signal(log_file: Path, signal: int) -> None:
    watch = CrashWatch(log_file)
    assert watch.look() is None
    add(log_file, b"malloc(): unaligned fastbin chunk detected\nSignal (%d) received.\n" % signal)
    assert watch.look() == signal


def test_a_line_that_comes_in_pieces_is_read_whole(log_file: Path) -> None:
    watch = CrashWatch(log_file)
    add(log_file, NOISE + b"Signal (6")
    assert watch.look() is None
    add(log_file, b") received.\n")
    assert watch.look() == 6


@pytest.mark.parametrize(
    "line", [b"Signal (15) received.\n", b'the text "Signal (6) received." in a line\n', b"\xff\xfe\n", b""]
)
def test_what_is_no_crash_is_not_taken_for_one(log_file: Path, line: bytes) -> None:
    watch = CrashWatch(log_file)
    add(log_file, line)
    assert watch.look() is None


def test_a_log_that_was_taken_away_says_nothing(log_file: Path) -> None:
    watch = CrashWatch(log_file)
    log_file.unlink()
    assert watch.look() is None
