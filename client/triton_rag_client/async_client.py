"""`AsyncRagClient`: questions to a server, on asyncio. Its methods are those of `RagClient`, awaited."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar, overload

from triton_rag_client.address import TlsFiles, parse_address
from triton_rag_client.core.retry import RetryPolicy
from triton_rag_client.core.session import Session
from triton_rag_client.transport.async_driver import AsyncTransport, run_async, run_async_stream

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping, Sequence
    from types import TracebackType
    from typing import Self, Unpack

    import numpy as np
    import numpy.typing as npt

    from triton_rag_client.address import Address
    from triton_rag_client.core.exchange import Steps
    from triton_rag_client.core.wire import Wire
    from triton_rag_client.options import AskOptions, RetrieveOptions
    from triton_rag_client.results import Answer, Delta, Passage, ServerMetadata

__all__ = ["AsyncRagClient"]

Result = TypeVar("Result")


class AsyncRagClient:
    """Asks one server from one event loop, many requests at once. Make one and share it.

    Arguments, results and errors are those of `RagClient`.
    """

    def __init__(
        self,
        url: str = "grpc://127.0.0.1:8001",
        *,
        timeout_s: float = 120.0,
        headers: Mapping[str, str] | None = None,
        tls: TlsFiles | None = None,
        retry: RetryPolicy | None = None,
    ) -> None:
        address = parse_address(url, tls)
        self.url = address.url
        wire, self._transport = _wire_and_transport(address, tls or TlsFiles(), headers or {})
        self._session = Session(wire, retry or RetryPolicy(), timeout_s)

    async def ask(
        self, query: str, *, timeout_s: float | None = None, **options: Unpack[AskOptions]
    ) -> Answer:
        """As `RagClient.ask`. Cancelling the task that awaits it cancels the request."""
        return await self._run(self._session.ask(query, options, timeout_s))

    def stream(
        self, query: str, *, timeout_s: float | None = None, **options: Unpack[AskOptions]
    ) -> AsyncGenerator[Delta]:
        """As `RagClient.stream`. To cancel at once on leaving the loop, use `contextlib.aclosing`:

        async with aclosing(client.stream("What does zip() do?")) as deltas:
            async for delta in deltas:
                ...
        """
        return run_async_stream(self._session.stream(query, options, timeout_s), self._transport)

    @overload
    async def retrieve(  # type: ignore[overload-overlap]  # a str is a Sequence[str] too; the first that fits wins
        self, queries: str, *, timeout_s: float | None = None, **options: Unpack[RetrieveOptions]
    ) -> tuple[Passage, ...]: ...
    @overload
    async def retrieve(
        self, queries: Sequence[str], *, timeout_s: float | None = None, **options: Unpack[RetrieveOptions]
    ) -> tuple[tuple[Passage, ...], ...]: ...
    async def retrieve(
        self,
        queries: str | Sequence[str],
        *,
        timeout_s: float | None = None,
        **options: Unpack[RetrieveOptions],
    ) -> tuple[Passage, ...] | tuple[tuple[Passage, ...], ...]:
        """As `RagClient.retrieve`."""
        found: tuple[Passage, ...] = await self._run(self._session.retrieve(queries, options, timeout_s))
        return found

    async def embed(
        self, queries: str | Sequence[str], *, timeout_s: float | None = None
    ) -> npt.NDArray[np.float32]:
        """As `RagClient.embed`."""
        found: npt.NDArray[np.float32] = await self._run(self._session.embed(queries, timeout_s))
        return found

    async def ready(self, *, timeout_s: float | None = None) -> bool:
        """As `RagClient.ready`."""
        return await self._run(self._session.ready(timeout_s))

    async def metadata(self, *, timeout_s: float | None = None) -> ServerMetadata:
        """As `RagClient.metadata`."""
        return await self._run(self._session.metadata(timeout_s))

    async def close(self) -> None:
        """As `RagClient.close`."""
        await self._transport.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _run(self, steps: Steps[Result]) -> Result:
        return await run_async(steps, self._transport)


def _wire_and_transport(
    address: Address, tls: TlsFiles, headers: Mapping[str, str]
) -> tuple[Wire, AsyncTransport]:
    """The halves for the address; a program that uses one wire does not import the other's library."""
    if address.wire == "grpc":
        from triton_rag_client.core.grpc_wire import GrpcWire
        from triton_rag_client.transport.grpc_async import AsyncGrpcTransport

        return GrpcWire(), AsyncGrpcTransport(address, tls, headers)
    from triton_rag_client.core.http_wire import HttpWire
    from triton_rag_client.transport.http_async import AsyncHttpTransport

    return HttpWire(), AsyncHttpTransport(address, tls, headers)
