"""What `triton-rag loadtest` measures: running servers, repositories served for it, or the naive server."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import socket
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import typer
from rich.console import Console
from triton_rag_server import TritonServer
from triton_rag_server.missing_packages import install_command
from triton_rag_server.process import TetheredProcess

from triton_rag_client.commands.start_display import StartDisplay
from triton_rag_client.errors import ClientSetupError, ConnectionFailedError, InvalidRequestError
from triton_rag_client.load.comparison import Contestant
from triton_rag_client.load.service import ONE_ATTEMPT, Service

if TYPE_CHECKING:
    from collections.abc import Iterator

    from triton_rag_client.commands.arguments import Connection
    from triton_rag_client.load.json_client import JsonClient
    from triton_rag_client.options import Retriever

__all__ = ["NAIVE", "chosen_contestants", "contestant_at", "naive_contestant"]

NAIVE = "naive"

# The first start embeds every passage of the corpus; the next ones find the vectors.
_START_TIMEOUT_S = 3600.0
_LOOK_EVERY_S = 0.5
_END_TIMEOUT_S = 5.0
_SHOWN_LINES = 8
_NEEDED = ("fastapi", "uvicorn", "sentence_transformers", "transformers", "torch", "triton_rag_export")


def chosen_contestants(
    servers: list[str] | None,
    against: Literal["naive"] | None,
    connection: Connection,
    max_tokens: int,
    retriever: Retriever | None,
) -> tuple[Contestant] | tuple[Contestant, Contestant]:
    """What is measured: one server, or two that are compared.

    Args:
        servers: The arguments; without one it is the connection's address.
        against: What a repository is compared with.
        connection: How servers are reached.
        max_tokens: Longest answer that is asked for.
        retriever: How passages are found; the naive server has dense retrieval alone, so that it is compared
            with that unless another is named.

    Raises:
        ClientSetupError: Something that the naive server needs is not here.
        InvalidRequestError: They are not one or two servers, or not what `against` can be compared with.
    """
    named = servers or [connection.url]
    if against is not None:
        if len(named) != 1 or "://" in named[0]:
            raise InvalidRequestError(
                f"--against {against} is given {' and '.join(named)}: it takes one folder that "
                "`triton-rag build` wrote, with whose models and passages both answer"
            )
        naive = naive_contestant(Path(named[0]), max_tokens, connection.timeout_s)
        return naive, contestant_at(replace(connection, url=named[0]), max_tokens, retriever or "dense")
    found = [contestant_at(replace(connection, url=server), max_tokens, retriever) for server in named]
    match found:
        case [only]:
            return (only,)
        case [first, second]:
            return first, second
    raise InvalidRequestError(f"{len(named)} servers are given: allowed are one, or two to compare")


def contestant_at(connection: Connection, max_tokens: int, retriever: Retriever | None) -> Contestant:
    """A running server, or a repository that is served for the test.

    Args:
        connection: How to reach it; its `url` may be a folder instead.
        max_tokens: Longest answer that is asked for.
        retriever: How passages are found; None is the server's default.

    Raises:
        InvalidRequestError: It is neither.
    """
    if "://" in connection.url:
        return Contestant(connection.url, partial(_running, connection, max_tokens, retriever), False)
    folder = Path(connection.url)
    if not folder.is_dir():
        raise InvalidRequestError(
            f"{connection.url} is neither a folder nor an address: give a folder that `triton-rag build` "
            "wrote, or grpc://HOST:PORT, grpcs://, http:// or https://"
        )
    return Contestant(connection.url, partial(_served, connection, max_tokens, retriever), True)


def naive_contestant(repository: Path, max_tokens: int, timeout_s: float) -> Contestant:
    """The server of `benchmarks/naive_server.py`, with the models and passages of a repository.

    Raises:
        ClientSetupError: It, or a package that it needs, is not here.
        InvalidRequestError: There is no such repository.
    """
    script = Path(__file__).resolve().parents[3] / "benchmarks" / "naive_server.py"
    if not script.is_file():
        raise ClientSetupError(
            "--against naive needs benchmarks/naive_server.py, which only a clone of triton-rag has: clone "
            "it, pip install -e '.[export,serve,cpu,benchmark]' there, and run this from its environment"
        )
    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise ClientSetupError(
            f"--against naive needs {', '.join(missing)}, not installed: "
            f"{install_command('export', 'serve', 'cpu', 'benchmark')}"
        )
    if not (repository / "manifest.json").is_file():
        raise InvalidRequestError(
            f"--against naive is given {repository}: it takes models and passages from a folder that "
            "`triton-rag build` wrote, and there is no manifest.json"
        )
    return Contestant(NAIVE, partial(_naive, script, repository, max_tokens, timeout_s), True)


@contextmanager
def _running(connection: Connection, max_tokens: int, retriever: Retriever | None) -> Iterator[Service]:
    yield _service(connection, max_tokens, retriever)


@contextmanager
def _served(connection: Connection, max_tokens: int, retriever: Retriever | None) -> Iterator[Service]:
    with (
        StartDisplay(Console(stderr=True)) as display,
        TritonServer(connection.url, progress=display.show) as server,
    ):
        display.close()
        yield _service(replace(connection, url=server.grpc_url), max_tokens, retriever)


def _service(connection: Connection, max_tokens: int, retriever: Retriever | None) -> Service:
    return Service(connection.url, lambda: connection.async_client(ONE_ATTEMPT), max_tokens, retriever)


@contextmanager
def _naive(script: Path, repository: Path, max_tokens: int, timeout_s: float) -> Iterator[Service]:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "naive.log"
        command = [sys.executable, str(script), str(repository.absolute()), "--port", str(port)]
        process = TetheredProcess(command, os.environ, log)
        url = f"http://127.0.0.1:{port}"
        try:
            _wait(process, url, log)
            yield Service(url, partial(_json_client, url, timeout_s), max_tokens)
        finally:
            process.terminate()
            if not process.wait(_END_TIMEOUT_S):
                process.kill()
                process.wait()


def _wait(process: TetheredProcess, url: str, log: Path) -> None:
    typer.echo("starting the naive server: the first time it embeds every passage", err=True)
    deadline_s = time.monotonic() + _START_TIMEOUT_S
    while not asyncio.run(_is_ready(url)):
        if process.returncode is not None or time.monotonic() > deadline_s:
            state = (
                f"took more than {_START_TIMEOUT_S:g} s to start"
                if process.returncode is None
                else f"ended with status {process.returncode}"
            )
            last = log.read_text(encoding="utf-8", errors="replace").splitlines()[-_SHOWN_LINES:]
            raise ClientSetupError("\n".join([f"the naive server {state}; its last lines:", *last]))
        time.sleep(_LOOK_EVERY_S)


def _json_client(url: str, timeout_s: float) -> JsonClient:
    from triton_rag_client.load.json_client import JsonClient  # with httpx2, which --help does not wait for

    return JsonClient(url, timeout_s=timeout_s)


async def _is_ready(url: str) -> bool:
    async with _json_client(url, 5.0) as client:
        try:
            return await client.ready()
        except ConnectionFailedError:
            return False
