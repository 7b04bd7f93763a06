"""How a server ends: gently, at a limit, after damage, with its parent; and that it can start again."""

import os
import subprocess
import sys
import threading
import urllib.error
from collections.abc import Callable
from pathlib import Path

import pytest
from server.identity_requests import assert_gone, family, infer
from triton_rag_server import ServerStartError, TritonServer

ModelWriter = Callable[..., Path]

# Serves a repository, says the server's id, and is killed by the test.
PARENT = """
import signal, sys
from triton_rag_server import TritonServer
with TritonServer(sys.argv[1]) as server:
    print(server.pid, flush=True)
    signal.pause()
"""


def test_stopping_lets_a_running_request_finish(write_model: ModelWriter, tmp_path: Path) -> None:
    started, fifo = tmp_path / "started", tmp_path / "go"
    os.mkfifo(started)
    os.mkfifo(fifo)
    wait = f"Path({str(started)!r}).write_text('x'); Path({str(fifo)!r}).read_text()"
    server = TritonServer(write_model(execute=wait))
    server.start()
    answers: list[str] = []
    request = threading.Thread(target=lambda: answers.append(infer(server, "late")))
    request.start()
    started.read_text()
    stopping = threading.Thread(target=server.stop)
    stopping.start()
    fifo.write_text("go")
    request.join()
    stopping.join()
    assert answers == ["late"]
    assert server.returncode == 0


def test_a_request_that_does_not_end_is_cut_off_at_the_limit(
    write_model: ModelWriter, tmp_path: Path
) -> None:
    started = tmp_path / "started"
    os.mkfifo(started)
    forever = f"import signal; Path({str(started)!r}).write_text('x'); signal.pause()"
    server = TritonServer(write_model(execute=forever), drain_timeout_s=1)
    server.start()
    assert server.pid is not None
    processes = family(server.pid)
    failures: list[BaseException] = []

    def ask() -> None:
        try:
            infer(server, "x")
        except (urllib.error.URLError, ConnectionError, OSError) as error:
            failures.append(error)

    request = threading.Thread(target=ask)
    request.start()
    started.read_text()
    assert server.stop() is False
    request.join()
    assert len(failures) == 1
    assert_gone(processes)


def test_a_stopped_server_can_be_started_again_and_a_running_one_cannot(write_model: ModelWriter) -> None:
    server = TritonServer(write_model())
    for text in ("first", "second"):
        with server:
            assert infer(server, text) == text
            with pytest.raises(ServerStartError, match="runs already"):
                server.start()
            assert infer(server, text) == text


def test_a_repository_that_is_damaged_meanwhile_does_not_keep_a_server_alive(
    write_model: ModelWriter,
) -> None:
    repository = write_model()
    server = TritonServer(repository)
    server.start()
    assert server.pid is not None
    processes = family(server.pid)
    config = repository / "identity" / "config.pbtxt"
    config.unlink()
    config.mkdir()
    assert server.stop() is True
    assert_gone(processes)


def test_no_server_outlives_a_parent_that_is_killed(write_model: ModelWriter) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(write_model())], stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    processes = family(int(parent.stdout.readline()))
    parent.kill()
    parent.communicate()
    assert_gone(processes)
