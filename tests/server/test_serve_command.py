"""`triton-rag serve` as a process, over a real Triton."""

import os
import re
import signal
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from triton_rag_client.commands.serve import default_log_file

ModelWriter = Callable[..., Path]
Serve = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Start `triton-rag serve` on free ports; what still runs at the end is killed."""
    started: list[subprocess.Popen[str]] = []

    # A shell in the background leaves SIGINT ignored to all its children, and so to the server.
    former = signal.signal(signal.SIGINT, signal.default_int_handler)

    def start(*arguments: object, before: tuple[str, ...] = ()) -> "subprocess.Popen[str]":
        ports = [f"--{service}-port=0" for service in ("http", "grpc", "metrics")]
        command = [*before, sys.executable, "-m", "triton_rag_client", "serve", *map(str, arguments)]
        process = subprocess.Popen(
            [*command, *ports, f"--log-file={tmp_path / 'triton.log'}"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()
    signal.signal(signal.SIGINT, former)


def addresses(process: "subprocess.Popen[str]") -> dict[str, str]:
    """What `serve` prints once it is ready."""
    assert process.stdout is not None
    found: dict[str, str] = {}
    for line in process.stdout:
        match = re.fullmatch(r"  (HTTP|gRPC|metrics|log) +(\S+)\n", line)
        if match is not None:
            found[match[1]] = match[2]
        if line.startswith("stop it:"):
            break
    return found


def post(url: str, answers: list[int]) -> None:
    body = b'{"inputs": [{"name": "IN", "shape": [1, 1], "datatype": "BYTES", "data": ["x"]}]}'
    try:
        with urllib.request.urlopen(f"{url}/v2/models/identity/infer", data=body) as response:
            answers.append(response.status)
    except OSError:
        answers.append(0)


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_it_says_where_it_is_and_leaves_with_0_when_told_to(
    serve: Serve, write_model: ModelWriter, stop: signal.Signals
) -> None:
    process = serve(write_model())
    found = addresses(process)
    with urllib.request.urlopen(f"{found['HTTP']}/v2/health/ready") as response:
        assert response.status == 200
    assert found["gRPC"].startswith("grpc://127.0.0.1:")
    assert Path(found["log"]).exists()
    servers = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(stop)
    _, errors = process.communicate()
    assert process.returncode == 0
    assert errors.splitlines()[:3] == [
        "looking for tritonserver",
        "loading models",
        "loaded identity (1 of 1)",
    ]
    assert psutil.wait_procs(servers, timeout=30)[1] == []


def test_the_first_signal_lets_a_running_request_finish(
    serve: Serve, write_model: ModelWriter, tmp_path: Path
) -> None:
    started, go = tmp_path / "started", tmp_path / "go"
    os.mkfifo(started)
    os.mkfifo(go)
    process = serve(
        write_model(execute=f"Path({str(started)!r}).write_text('x'); Path({str(go)!r}).read_text()")
    )
    url = addresses(process)["HTTP"]
    answers: list[int] = []
    request = threading.Thread(target=post, args=(url, answers))
    request.start()
    started.read_text()
    process.send_signal(signal.SIGINT)
    assert process.stderr is not None
    assert any("stopping" in line for line in process.stderr)
    go.write_text("go")
    request.join()
    process.communicate()
    assert (answers, process.returncode) == ([200], 0)


def test_the_second_signal_does_not(serve: Serve, write_model: ModelWriter, tmp_path: Path) -> None:
    started = tmp_path / "started"
    os.mkfifo(started)
    process = serve(
        write_model(execute=f"import signal; Path({str(started)!r}).write_text('x'); signal.pause()")
    )
    url = addresses(process)["HTTP"]
    answers: list[int] = []
    request = threading.Thread(target=post, args=(url, answers))
    request.start()
    started.read_text()
    servers = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGINT)
    assert process.stderr is not None
    assert any("stopping" in line for line in process.stderr)
    process.send_signal(signal.SIGINT)
    process.communicate()
    request.join()
    assert (answers, process.returncode) == ([0], 130)
    assert psutil.wait_procs(servers, timeout=30)[1] == []


def test_a_signal_while_models_load_stops_the_start(
    serve: Serve, write_model: ModelWriter, tmp_path: Path
) -> None:
    loading = tmp_path / "loading"
    os.mkfifo(loading)
    process = serve(
        write_model(initialize=f"import signal; Path({str(loading)!r}).write_text('x'); signal.pause()")
    )
    loading.read_text()
    servers = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGTERM)
    process.communicate()
    assert process.returncode == 128 + signal.SIGTERM
    assert psutil.wait_procs(servers, timeout=30)[1] == []


def test_a_server_that_dies_is_an_error(serve: Serve, write_model: ModelWriter) -> None:
    process = serve(write_model(), "--max-restarts=0")
    found = addresses(process)
    (server,) = psutil.Process(process.pid).children()
    server.kill()
    _, errors = process.communicate()
    assert process.returncode == 1
    assert "not started again after 0 restarts" in errors
    assert f"error: tritonserver ended by itself (status -9): serve again (log: {found['log']})" in errors


def test_a_model_that_does_not_load_is_one_line_and_code_1(serve: Serve, write_model: ModelWriter) -> None:
    process = serve(write_model(initialize="raise ValueError('no index')"), "--show-log")
    output, errors = process.communicate()
    assert (process.returncode, output) == (1, "")
    assert errors.splitlines()[-1].startswith(
        "error: the model 'identity' does not load: ValueError: no index ("
    )
    assert "failed to load 'identity' version 1" in errors  # the log, which a container loses


def test_a_hang_up_that_is_ignored_does_not_stop_it(serve: Serve, write_model: ModelWriter) -> None:
    process = serve(write_model(), before=("nohup",))
    url = addresses(process)["HTTP"]
    process.send_signal(signal.SIGHUP)
    answers: list[int] = []
    post(url, answers)
    process.send_signal(signal.SIGTERM)
    process.communicate()
    assert (answers, process.returncode) == ([200], 0)


@pytest.mark.parametrize("is_killed", [False, True])
def test_requests_that_are_not_finished_are_told_from_a_server_that_dies(
    serve: Serve, write_model: ModelWriter, tmp_path: Path, is_killed: bool
) -> None:
    started = tmp_path / "started"
    os.mkfifo(started)
    forever = f"import signal; Path({str(started)!r}).write_text('x'); signal.pause()"
    process = serve(write_model(execute=forever), f"--drain-timeout-s={60 if is_killed else 1}")
    request = threading.Thread(target=post, args=(addresses(process)["HTTP"], []))
    request.start()
    started.read_text()
    (server,) = psutil.Process(process.pid).children()
    process.send_signal(signal.SIGINT)
    assert process.stderr is not None
    assert any("stopping" in line for line in process.stderr)
    if is_killed:
        server.kill()
    _, errors = process.communicate()
    request.join()
    assert process.returncode == 1
    assert ("stopped after 1 s with requests unfinished" in errors) is not is_killed
    assert ("tritonserver ended with status -9 while it stopped" in errors) is is_killed


def test_the_whole_log_is_printed_on_request_to_its_last_line(
    serve: Serve, write_model: ModelWriter, tmp_path: Path
) -> None:
    (tmp_path / "triton.log").write_text("of an earlier server\n")
    process = serve(write_model(), "--show-log")
    found = addresses(process)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate()
    printed = errors.splitlines()
    log = [line for line in Path(found["log"]).read_text().splitlines() if line.startswith("I")]
    assert [line for line in printed if line in log] == log
    assert log != []
    assert "of an earlier server" not in errors


def test_servers_on_free_ports_have_logs_of_their_own() -> None:
    assert default_log_file(8000).name == "serve-8000.log"
    assert str(os.getpid()) in default_log_file(0).name


def test_a_tritonserver_that_is_no_program_is_one_line(
    serve: Serve, write_model: ModelWriter, tmp_path: Path
) -> None:
    notes = tmp_path / "notes"
    notes.write_text("not a program")
    notes.chmod(0o755)
    process = serve(write_model(), f"--tritonserver={notes}")
    _, errors = process.communicate()
    assert process.returncode == 1
    assert errors.splitlines()[-1].startswith(f"error: {notes} cannot be run (Exec format error)")


def test_what_is_no_repository_is_refused_with_what_to_do(serve: Serve, tmp_path: Path) -> None:
    process = serve(tmp_path / "nothing")
    _, errors = process.communicate()
    assert process.returncode == 1
    assert "triton-rag build" in errors
