"""The streams that other tests hold open: whoever waits for one is told when it ends before."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import grpc
import numpy as np
import pytest
from integration.running_streams import EndedTooEarlyError, RunningStream
from scripted_servers.grpc_server import GrpcServicer
from scripted_servers.script import Script, ScriptedError, Seen, answer_outputs
from triton_rag_client import RagClient, ServerError
from tritonclient.grpc import service_pb2_grpc

pytestmark = pytest.mark.timeout(60)


@pytest.fixture
def script() -> Script:
    return Script()


@pytest.fixture
def client(script: Script) -> Iterator[RagClient]:
    server = grpc.server(ThreadPoolExecutor(4))
    service_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(GrpcServicer(script), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with RagClient(f"grpc://127.0.0.1:{port}") as client:
        yield client
    server.stop(None).wait()


def no_token(seen: Seen) -> Iterator[dict[str, np.ndarray]]:
    yield answer_outputs("", tokens=0, finish_reason="stop", is_delta=True)


def failure(seen: Seen) -> Iterator[dict[str, np.ndarray]]:
    yield answer_outputs("", tokens=0, finish_reason="", is_delta=True)
    raise ScriptedError("INTERNAL", "the step failed")


def test_a_stream_that_ends_before_its_first_token_is_not_waited_for(
    client: RagClient, script: Script
) -> None:
    script.stream = no_token
    stream = RunningStream(client, seed=0)
    stream.wait_until_taken()
    with pytest.raises(EndedTooEarlyError, match="finish_reason='stop'"):
        stream.wait_until_it_has_a_slot()


def test_a_stream_that_fails_before_its_first_token_says_why(client: RagClient, script: Script) -> None:
    script.stream = failure
    stream = RunningStream(client, seed=0)
    stream.wait_until_taken()
    with pytest.raises(ServerError, match="the step failed"):
        stream.wait_until_it_has_a_slot()
