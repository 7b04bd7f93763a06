"""A call that is out of time is not cancelled: it ends by itself, since its server knows the deadline too."""

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest
from triton_rag_client.address import TlsFiles, parse_address
from triton_rag_client.core.grpc_wire import GrpcRequest
from triton_rag_client.errors import DeadlineExceededError
from triton_rag_client.transport.grpc_async import AsyncGrpcTransport
from triton_rag_client.transport.grpc_sync import GrpcTransport
from tritonclient.grpc import service_pb2, service_pb2_grpc

SHORT_S = 0.05
UNARY = GrpcRequest("ModelInfer", service_pb2.ModelInferRequest(model_name="rag"))
STREAM = GrpcRequest("ModelStreamInfer", service_pb2.ModelInferRequest(model_name="rag_stream"))


class SlowServer(service_pb2_grpc.GRPCInferenceServiceServicer):
    """Answers when it is let; notes of each call whether its client was still there then."""

    def __init__(self) -> None:
        self.has_begun = threading.Event()
        self.may_end = threading.Event()
        self.is_over = threading.Event()  # for its client, or because it has gone
        self.has_ended = threading.Event()
        self.was_active: list[bool] = []

    def ModelInfer(self, request: Any, context: Any) -> Any:  # noqa: N802, gRPC's name
        context.add_callback(self.is_over.set)
        self.has_begun.set()
        self._end(context)
        return service_pb2.ModelInferResponse()

    def ModelStreamInfer(self, requests: Any, context: Any) -> Iterator[Any]:  # noqa: N802, gRPC's name
        next(requests)
        yield service_pb2.ModelStreamInferResponse()
        self._end(context)

    def _end(self, context: Any) -> None:
        self.may_end.wait(30)
        self.was_active.append(context.is_active())
        self.has_ended.set()


@pytest.fixture
def server() -> SlowServer:
    return SlowServer()


@pytest.fixture
def target(server: SlowServer) -> Iterator[str]:
    running = grpc.server(ThreadPoolExecutor(2))
    service_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(server, running)
    port = running.add_insecure_port("127.0.0.1:0")
    running.start()
    yield f"grpc://127.0.0.1:{port}"
    server.may_end.set()
    running.stop(None).wait()


def test_a_unary_call_out_of_time_goes_on_alone(server: SlowServer, target: str) -> None:
    transport = GrpcTransport(parse_address(target), TlsFiles(), {})
    with pytest.raises(DeadlineExceededError):
        transport.send(UNARY, SHORT_S)
    server.may_end.set()
    assert server.has_ended.wait(30)
    assert server.was_active == [True]
    transport.close()


def test_a_unary_call_of_a_task_out_of_time_goes_on_alone(server: SlowServer, target: str) -> None:
    async def ask() -> None:
        transport = AsyncGrpcTransport(parse_address(target), TlsFiles(), {})
        with pytest.raises(DeadlineExceededError):
            await transport.send(UNARY, SHORT_S)
        server.may_end.set()
        assert await asyncio.to_thread(server.has_ended.wait, 30)
        await transport.close()

    asyncio.run(ask())
    assert server.was_active == [True]


def test_a_stream_out_of_time_is_read_to_the_end_that_its_server_makes(
    server: SlowServer, target: str
) -> None:
    transport = GrpcTransport(parse_address(target), TlsFiles(), {})
    stream = transport.open(STREAM, SHORT_S)
    assert stream.receive(SHORT_S) is not None
    threading.Event().wait(SHORT_S)  # until its time is over
    server.may_end.set()
    stream.close()
    assert server.was_active == [True]
    transport.close()


def test_a_stream_of_a_task_out_of_time_is_read_to_the_end_that_its_server_makes(
    server: SlowServer, target: str
) -> None:
    async def ask() -> None:
        transport = AsyncGrpcTransport(parse_address(target), TlsFiles(), {})
        stream = await transport.open(STREAM, SHORT_S)
        assert await stream.receive(SHORT_S) is not None
        await asyncio.sleep(SHORT_S)  # until its time is over
        server.may_end.set()
        await stream.close()
        await transport.close()

    asyncio.run(ask())
    assert server.was_active == [True]


def test_a_task_that_is_cancelled_cancels_its_call(server: SlowServer, target: str) -> None:
    async def ask() -> None:
        transport = AsyncGrpcTransport(parse_address(target), TlsFiles(), {})
        asking = asyncio.create_task(transport.send(UNARY, 30.0))
        assert await asyncio.to_thread(server.has_begun.wait, 30)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        assert await asyncio.to_thread(server.is_over.wait, 30)
        await transport.close()

    asyncio.run(ask())
    server.may_end.set()
    assert server.has_ended.wait(30)
    assert server.was_active == [False]
