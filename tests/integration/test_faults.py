"""Faults on a live server: clients that leave, a full house, damaged weights, a dead process."""

import json
import re
import shutil
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx2
import psutil
import pytest
from integration.running_streams import Start, start_streams
from triton_rag_client import (
    ConnectionFailedError,
    DeadlineExceededError,
    RagClient,
    RagError,
    RequestCancelledError,
    RetryPolicy,
    ServerError,
    UnavailableError,
)
from triton_rag_export.evaluate.pipeline import version_folder
from triton_rag_export.repository import read_config, write_config
from triton_rag_server import ModelLoadError, TritonServer
from tritonclient.grpc import InferenceServerClient
from tritonclient.utils import InferenceServerException

__all__ = ["start_streams"]  # a fixture

pytestmark = pytest.mark.integration

ONCE = RetryPolicy(attempts=1)
SHORT = {"max_tokens": 4, "passages_k": 1}
LONG = {"max_tokens": 500, "passages_k": 1, "temperature": 2.0}
QUESTION = "What is a lambda?"


@pytest.fixture(scope="session")
def slots(repository: Path) -> int:
    return int(json.loads((version_folder(repository, "generator") / "serving.json").read_text())["slots"])


@pytest.fixture
def own_repository(repository: Path, tmp_path: Path) -> Path:
    """A copy to damage."""
    return Path(shutil.copytree(repository, tmp_path / "repository"))


@contextmanager
def own_server(repository: Path, log_file: Path) -> Iterator[TritonServer]:
    """A server that must have nothing left to wait for when it is stopped."""
    with TritonServer(repository, log_file=log_file, drain_timeout_s=10) as server:
        yield server
    log = log_file.read_text(errors="replace")
    assert "Exit timeout expired" not in log


@pytest.fixture(params=["grpc", "http"])
def leaving_client(request: pytest.FixtureRequest, repository: Path) -> Iterator[RagClient]:
    """A client of a server that nobody uses afterwards.

    Of many streams that are left by gRPC, one may spoil the heap of tritonserver 2.51 (server#7368), which
    shows in any later request.
    """
    with TritonServer(repository) as server:
        url = server.grpc_url if request.param == "grpc" else server.http_url
        with RagClient(url, timeout_s=120) as client:
            yield client
        server.kill()


def test_a_client_that_leaves_in_mid_stream_frees_its_slot(
    leaving_client: RagClient, slots: int, start_streams: Start
) -> None:
    leaving, *staying = start_streams(leaving_client, slots)
    leaving.leave()
    assert leaving_client.ask(QUESTION, **SHORT).answer_tokens
    assert all(stream.is_running for stream in staying)  # only the slot that was left can have served it


def test_an_answer_out_of_time_frees_its_slot(
    leaving_client: RagClient, slots: int, start_streams: Start
) -> None:
    staying = start_streams(leaving_client, slots - 1)
    run_out_of_time(leaving_client)
    assert leaving_client.ask(QUESTION, **SHORT).answer_tokens
    assert all(stream.is_running for stream in staying)


def test_many_answers_out_of_time_at_once_do_not_end_the_server(rag_server: TritonServer) -> None:
    """Whoever waits for one answer must not spoil the heap of the process that gathers all of them."""
    pid = rag_server.pid
    with RagClient(rag_server.grpc_url, retry=ONCE) as client, ThreadPoolExecutor(12) as pool:
        short = []
        for timeout_s in (0.05, 0.1, 0.2, 0.3) * 75:
            pool.submit(client.ask, QUESTION, **LONG, timeout_s=timeout_s)
            short.append(pool.submit(client.ask, QUESTION, **SHORT))
        assert all(answer.result().answer_tokens for answer in short)
    assert rag_server.pid == pid


@pytest.mark.parametrize("model", ["rag/generate", "rag_stream/generate_stream"])
def test_the_server_itself_ends_what_is_out_of_time(rag_server: TritonServer, model: str) -> None:
    body = {"QUERY": QUESTION, "timeout": 1}
    response = httpx2.post(f"{rag_server.http_url}/v2/models/{model}", json=body, timeout=120)
    assert "was not answered within its timeout of 1e-06 s" in response.text
    body["timeout"] = -1
    response = httpx2.post(f"{rag_server.http_url}/v2/models/{model}", json=body, timeout=120)
    assert response.status_code == 400
    assert "timeout is -1; allowed: a whole number of microseconds" in response.text


def test_a_full_house_refuses_at_once_and_serves_again(
    own_repository: Path, tmp_path: Path, slots: int, start_streams: Start
) -> None:
    settings = version_folder(own_repository, "generator") / "serving.json"
    settings.write_text(json.dumps(json.loads(settings.read_text()) | {"max_queue": 1}))
    full = f"{slots + 1} requests run or wait; allowed: {slots} run and 1 wait"
    with (
        own_server(own_repository, tmp_path / "log") as server,
        RagClient(server.grpc_url, retry=ONCE) as client,
    ):
        streams = start_streams(client, slots)
        streams += start_streams(client, 1, with_a_slot=False)
        with pytest.raises(UnavailableError, match=full):
            client.ask(QUESTION)
        with pytest.raises(UnavailableError, match=full):
            list(client.stream(QUESTION))
        assert all(stream.is_running for stream in streams)
        for stream in streams:
            stream.leave()
        assert client.ask(QUESTION, **SHORT).answer_tokens


def spoil_weights(repository: Path) -> None:
    """Fill the generator's weights with bytes that are NaN in every floating-point type."""
    weights = version_folder(repository, "generator") / "generator.onnx.data"
    size_bytes = weights.stat().st_size
    weights.unlink()
    weights.write_bytes(b"\xff" * size_bytes)


def test_a_generator_whose_scores_are_no_numbers_does_not_even_load(
    own_repository: Path, tmp_path: Path
) -> None:
    spoil_weights(own_repository)
    with (
        pytest.raises(ModelLoadError, match=r"generator.*the model's scores are no numbers"),
        own_server(own_repository, tmp_path / "log"),
    ):
        pass


def test_a_step_that_fails_ends_its_requests_with_the_reason(own_repository: Path, tmp_path: Path) -> None:
    spoil_weights(own_repository)
    path = own_repository / "generator" / "config.pbtxt"
    config = read_config(path)
    config.ClearField("model_warmup")  # which would notice
    write_config(config, path)
    with own_server(own_repository, tmp_path / "log") as server:
        for url in (server.grpc_url, server.http_url):
            with RagClient(url, retry=ONCE) as client:
                for options in (SHORT, LONG):  # greedy, and drawn
                    with pytest.raises(RagError, match="the model's scores are no numbers"):
                        client.ask(QUESTION, **options)
                    with pytest.raises(RagError, match="the model's scores are no numbers"):
                        list(client.stream(QUESTION, **options))
                assert client.retrieve(QUESTION)


def test_a_generator_that_dies_fails_all_it_holds_and_comes_back_by_itself(
    own_repository: Path, tmp_path: Path, slots: int, start_streams: Start
) -> None:
    patient = RetryPolicy(attempts=1000, longest_pause_s=1.0)
    with (
        own_server(own_repository, tmp_path / "log") as server,
        RagClient(server.grpc_url, retry=ONCE) as by_grpc,
        RagClient(server.http_url, retry=ONCE) as by_http,
        ThreadPoolExecutor(2) as pool,
    ):
        streams = start_streams(by_grpc, slots - 3) + start_streams(by_http, 1)
        taken = taken_by_the_generator(server)
        answers = [pool.submit(client.ask, QUESTION, **LONG) for client in (by_grpc, by_http)]
        wait_until_the_generator_has_taken(server, taken + len(answers))
        generator_process(server).kill()
        for stream in streams:
            stream.wait_until_it_ended()
        for error in [stream.error for stream in streams] + [answer.exception() for answer in answers]:
            assert isinstance(error, UnavailableError | ServerError | RequestCancelledError)
            assert re.search("closed|disconnected|reset|shutting down|cancelled", str(error))
        for url in (server.grpc_url, server.http_url):
            with RagClient(url, retry=patient, timeout_s=300) as later:
                assert later.ask(QUESTION, **SHORT).answer_tokens


def test_a_fault_in_a_step_itself_is_an_error_and_not_a_silence(own_repository: Path, tmp_path: Path) -> None:
    gathering = version_folder(own_repository, "answer") / "answering" / "gathering.py"
    gathering.write_text(gathering.read_text() + "\n\ndef gather(deltas):\n    return 1 / 0\n")
    with own_server(own_repository, tmp_path / "log") as server:
        for url in (server.grpc_url, server.http_url):
            with RagClient(url, retry=ONCE, timeout_s=60) as client:
                with pytest.raises(ServerError, match=r"the answer failed \(ZeroDivisionError"):
                    client.ask(QUESTION, **SHORT)
                assert list(client.stream(QUESTION, **SHORT))


def test_a_server_told_to_stop_lets_running_answers_end_and_takes_no_more(
    repository: Path, tmp_path: Path, start_streams: Start
) -> None:
    with own_server(repository, tmp_path / "log") as server, RagClient(server.grpc_url, retry=ONCE) as client:
        streams = start_streams(client, 2)
        stopping = threading.Thread(target=server.stop, args=(300,))
        stopping.start()
        with pytest.raises((UnavailableError, ConnectionFailedError)):
            ask_until_it_is_refused(client)
        stopping.join()
        for stream in streams:
            stream.wait_until_it_ended()
            assert stream.error is None
            assert stream.last is not None
            assert stream.last.finish_reason in ("length", "stop")
    assert server.returncode == 0


def test_nobody_but_the_server_s_owner_may_unload_a_model(rag_server: TritonServer) -> None:
    response = httpx2.post(f"{rag_server.http_url}/v2/repository/models/rag/unload", json={})
    assert response.status_code == 403
    with (
        InferenceServerClient(rag_server.grpc_url.removeprefix("grpc://")) as control,
        pytest.raises(InferenceServerException, match="restricted"),
    ):
        control.unload_model("rag")


def run_out_of_time(client: RagClient) -> None:
    """Give an answer less and less time, until it needs more than it has: machines differ in speed."""
    timeout_s = 3.0
    while True:
        try:
            client.ask(QUESTION, timeout_s=timeout_s, **LONG)
        except DeadlineExceededError:
            return
        timeout_s /= 2


def wait_until_the_generator_has_taken(server: TritonServer, requests: int) -> None:
    """Wait until so many requests, besides those that warmed it, have reached the engine."""
    while taken_by_the_generator(server) < requests:
        pass


def taken_by_the_generator(server: TritonServer) -> int:
    with InferenceServerClient(server.grpc_url.removeprefix("grpc://")) as statistics:
        (model,) = statistics.get_inference_statistics("generator").model_stats
        return int(model.execution_count)


def ask_until_it_is_refused(client: RagClient) -> None:
    while True:
        client.ask(QUESTION, **SHORT)


def generator_process(server: TritonServer) -> psutil.Process:
    children = psutil.Process(server.pid).children(recursive=True)
    (found,) = [child for child in children if any("/generator/" in part for part in child.cmdline())]
    return found
