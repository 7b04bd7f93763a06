"""A real Triton over small Python models."""

import os
import signal
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest
import rich
from server.identity_requests import assert_gone, family, infer, infer_when_it_listens
from triton_rag_server import (
    ModelLoadError,
    PortInUseError,
    RepositoryNotServableError,
    StartProgress,
    StartTimeoutError,
    TritonServer,
)

ModelWriter = Callable[..., Path]


def test_a_started_server_answers_at_its_addresses(identity_server: TritonServer) -> None:
    assert infer(identity_server, "tête") == "tête"
    with urllib.request.urlopen(identity_server.metrics_url) as response:
        assert b"nv_inference_request_success" in response.read()
    host, port = identity_server.grpc_url.removeprefix("grpc://").split(":")
    socket.create_connection((host, int(port))).close()


def test_models_run_in_this_environment_and_report_to_nobody(
    write_model: ModelWriter, tmp_path: Path
) -> None:
    report = tmp_path / "report"
    seen = "rich.__file__ + os.environ['ORT_DISABLE_TELEMETRY']"
    with TritonServer(write_model(initialize=f"import rich; Path({str(report)!r}).write_text({seen})")):
        pass
    assert report.read_text() == f"{rich.__file__}1"


def test_leaving_the_context_leaves_nothing_behind(write_model: ModelWriter) -> None:
    with TritonServer(write_model()) as server:
        pid, log_file = server.pid, server.log_file
        assert pid is not None
        assert log_file is not None
        processes = family(pid)
        assert len(processes) == 2
        segments = list(Path("/dev/shm").glob(f"triton-rag-{os.getpid()}-*"))
        assert segments != []
    assert (server.is_running, server.pid, server.returncode) == (False, None, 0)
    assert_gone(processes)
    assert not any(segment.exists() for segment in segments if server._id in segment.name)
    assert not log_file.exists()


def test_progress_names_the_models_as_they_load(write_model: ModelWriter) -> None:
    write_model("second")
    seen: list[StartProgress] = []
    with TritonServer(write_model(), progress=seen.append) as server:
        assert server.is_running
    assert seen[0].models == ("identity", "second")
    assert set(seen[-1].loaded) == {"identity", "second"}
    assert seen[-1].step == "ready"


def test_two_servers_run_side_by_side(identity_server: TritonServer, write_model: ModelWriter) -> None:
    with TritonServer(write_model()) as other:
        assert infer(other, "a") == infer(identity_server, "a") == "a"
        assert len({other.http_url, other.grpc_url, other.metrics_url, identity_server.http_url}) == 4


def test_a_port_in_use_is_refused_before_anything_is_loaded(
    identity_server: TritonServer, write_model: ModelWriter
) -> None:
    port = identity_server.options.grpc_port
    server = TritonServer(write_model(), grpc_port=port)
    with pytest.raises(PortInUseError, match=f"gRPC port {port}"):
        server.start()
    assert server.log_file is None


@pytest.mark.parametrize("service", ["HTTP", "gRPC", "metrics"])
def test_a_port_taken_while_models_load_is_named(
    write_model: ModelWriter, tmp_path: Path, service: str
) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    server = TritonServer(write_model(initialize=f"Path({str(fifo)!r}).read_text()"))

    thief = socket.socket()
    thief.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)

    def take_the_port(progress: StartProgress) -> None:
        if progress.step == "loading models" and thief.getsockname()[1] == 0:
            thief.bind(("127.0.0.1", server.options.ports[service]))
            thief.listen()
            fifo.write_text("go")

    server._progress = take_the_port
    with thief, pytest.raises(PortInUseError, match=f"the {service} port .* is in use") as caught:
        server.start()
    assert caught.value.log_file == server.log_file
    assert not server.is_running


def test_a_model_that_fails_to_load_is_named_with_its_reason_in_one_line(write_model: ModelWriter) -> None:
    repository = write_model(initialize="raise ValueError('no\\nindex')")
    with pytest.raises(ModelLoadError) as caught, TritonServer(repository):
        pass
    message = str(caught.value)
    assert (caught.value.model, caught.value.log_file is not None) == ("identity", True)
    assert message.startswith("the model 'identity' does not load: ValueError: no index (")
    assert message.endswith(f"model.py line 10) (log: {caught.value.log_file})")
    assert "\n" not in message


def test_a_model_without_its_file_does_not_hang_the_start(write_model: ModelWriter) -> None:
    repository = write_model()
    (repository / "identity" / "1" / "model.py").unlink()
    server = TritonServer(repository)
    with pytest.raises(ModelLoadError, match="Python model file not found"):
        server.start()
    assert not server.is_running


def test_a_start_that_takes_too_long_names_what_is_not_loaded(
    write_model: ModelWriter, tmp_path: Path
) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    server = TritonServer(write_model(initialize=f"Path({str(fifo)!r}).read_text()"), start_timeout_s=0.5)
    with pytest.raises(StartTimeoutError, match=r"after 0\.5 s, models not loaded: identity"):
        server.start()
    assert not server.is_running


def test_a_folder_without_models_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RepositoryNotServableError, match="holds no model"):
        TritonServer(tmp_path).start()
    with pytest.raises(RepositoryNotServableError, match="is not a folder"):
        TritonServer(tmp_path / "missing").start()


def test_a_killed_server_is_noticed_and_cleaned_up(write_model: ModelWriter) -> None:
    with TritonServer(write_model(), max_restarts=0) as server:
        assert server.pid is not None
        processes = family(server.pid)
        os.kill(server.pid, signal.SIGKILL)
        assert server.wait(60)
        assert server.returncode == -signal.SIGKILL
    assert_gone(processes)
    assert list(Path("/dev/shm").glob(f"{server._id}-*")) == []
    assert server.log_file is not None
    server.log_file.unlink()


def test_a_server_that_hangs_in_its_own_crash_is_started_again(write_model: ModelWriter) -> None:
    with TritonServer(write_model()) as server:
        assert server.log_file is not None
        crashed = server.pid
        with server.log_file.open("a") as log:  # the last words of one that hangs
            log.write("malloc(): unaligned fastbin chunk detected\nSignal (6) received.\n")
        while server.pid == crashed:
            time.sleep(0.05)
        assert infer_when_it_listens(server, "again") == "again"
    server.log_file.with_suffix(f".previous{server.log_file.suffix}").unlink()


def test_a_model_whose_process_is_killed_is_back_at_the_same_address(
    write_model: ModelWriter, tmp_path: Path
) -> None:
    started, back = tmp_path / "started", tmp_path / "back"
    os.mkfifo(started)
    os.mkfifo(back)
    # The first request waits for ever; the second process of the model says that it is there.
    first = tmp_path / "first"
    write_back = f"Path({str(first)!r}).exists() and Path({str(back)!r}).write_text('x')"
    hold = (
        f"Path({str(first)!r}).exists() or (Path({str(first)!r}).touch(), "
        f"Path({str(started)!r}).write_text('x'), __import__('signal').pause())"
    )
    with TritonServer(write_model(initialize=write_back, execute=hold)) as server:
        assert server.pid is not None
        failures: list[OSError] = []

        def ask() -> None:
            try:
                infer(server, "lost")
            except OSError as error:
                failures.append(error)

        request = threading.Thread(target=ask)
        request.start()
        started.read_text()
        stub = family(server.pid)[1]
        stub.kill()
        request.join()
        assert len(failures) == 1
        back.read_text()
        assert infer_when_it_listens(server, "again") == "again"
