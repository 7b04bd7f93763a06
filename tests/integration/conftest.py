"""One real Triton over the default repository for the whole session; one client a protocol."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from integration.raw_requests import ask, ask_grpc, ask_http
from triton_rag_client import RagClient
from triton_rag_export.build import build
from triton_rag_export.recipe import load_recipe
from triton_rag_server import TritonServer

__all__ = ["ask", "ask_grpc", "ask_http"]  # fixtures

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def repository() -> Path:
    """The default repository; a build with nothing changed ends in seconds, so it stays where it is."""
    out = ROOT / "build" / "python-docs"
    build(load_recipe(ROOT / "recipes" / "python-docs.toml"), out)
    return out


@pytest.fixture(scope="session")
def rag_server(repository: Path) -> Iterator[TritonServer]:
    with TritonServer(repository) as server:
        yield server


@pytest.fixture(scope="session", params=["grpc", "http"])
def client(request: pytest.FixtureRequest, rag_server: TritonServer) -> Iterator[RagClient]:
    url = rag_server.grpc_url if request.param == "grpc" else rag_server.http_url
    with RagClient(url, timeout_s=120) as client:
        yield client
