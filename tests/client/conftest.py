"""Real small servers, and the four shells of the client before them."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import grpc
import pytest
from scripted_servers.askers import AsyncAsker, SyncAsker
from scripted_servers.grpc_server import GrpcServicer
from scripted_servers.http_server import HttpHandler, HttpServer
from scripted_servers.script import Script
from tritonclient.grpc import service_pb2_grpc

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture
def script() -> Iterator[Script]:
    script = Script()
    yield script
    script.test_ended.set()


@pytest.fixture
def grpc_url(script: Script) -> Iterator[str]:
    server = grpc.server(ThreadPoolExecutor(32))
    service_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(GrpcServicer(script), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"grpc://127.0.0.1:{port}"
    script.test_ended.set()
    server.stop(None).wait()


@pytest.fixture
def http_url(script: Script) -> Iterator[str]:
    server = HttpServer(("127.0.0.1", 0), HttpHandler)
    server.script = script
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    script.test_ended.set()
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(params=["grpc", "http"])
def url(request: pytest.FixtureRequest) -> str:
    """The address of a server on each wire."""
    return request.getfixturevalue(f"{request.param}_url")


@pytest.fixture(params=[SyncAsker, AsyncAsker], ids=["sync", "async"])
def ask_with(request: pytest.FixtureRequest, url: str) -> Iterator[Callable[..., SyncAsker | AsyncAsker]]:
    """Each of the four shells: a function that takes the client's settings."""
    askers = []

    def made(**settings: object) -> SyncAsker | AsyncAsker:
        askers.append(request.param(url, **settings))
        return askers[-1]

    yield made
    for asker in askers:
        asker.close()
