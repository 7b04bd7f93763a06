"""HTTP on asyncio. A task that is cancelled closes its connection."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import httpx2

from triton_rag_client.core.http_wire import HttpReply
from triton_rag_client.core.wire import failure
from triton_rag_client.errors import DeadlineExceededError
from triton_rag_client.transport.http_client import (
    HTTP_LIBRARY_ERRORS,
    LIMITS,
    all_headers,
    built_request,
    head_of,
    http_library_failure,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Mapping
    from typing import TypeVar

    from triton_rag_client.address import Address, TlsFiles
    from triton_rag_client.core.http_wire import HttpRequest

    Result = TypeVar("Result")

__all__ = ["AsyncHttpTransport"]


class AsyncHttpTransport:
    """A pool of connections to one server, used in one event loop."""

    def __init__(self, address: Address, tls: TlsFiles, headers: Mapping[str, str]) -> None:
        self.closed = asyncio.Event()
        self._client = httpx2.AsyncClient(
            base_url=address.url,
            headers=all_headers(headers),
            verify=tls.context() if address.is_secure else True,
            limits=LIMITS,
            timeout=None,
        )

    async def send(self, request: HttpRequest, timeout_s: float) -> HttpReply:
        """A request whose reply is read whole."""
        response = await self._sent(request, timeout_s, is_stream=False)
        return HttpReply(head_of(response), response.content)

    async def open(self, request: HttpRequest, timeout_s: float) -> _Stream:
        """A request whose reply is read in pieces."""
        return _Stream(await self._sent(request, timeout_s, is_stream=True))

    async def close(self) -> None:
        """Close the connections."""
        self.closed.set()
        await self._client.aclose()

    async def _sent(self, request: HttpRequest, timeout_s: float, *, is_stream: bool) -> httpx2.Response:
        built = built_request(self._client, request, timeout_s)
        return await _in_time(self._client.send(built, stream=is_stream), timeout_s)


class _Stream:
    """A body that is read as it comes."""

    def __init__(self, response: httpx2.Response) -> None:
        self.head = head_of(response)
        self._response = response
        self._pieces = response.aiter_raw()

    async def receive(self, timeout_s: float) -> bytes | None:
        return await _in_time(_next(self._pieces), timeout_s)

    async def close(self) -> None:
        await self._response.aclose()


async def _in_time(doing: Awaitable[Result], timeout_s: float) -> Result:
    try:
        async with asyncio.timeout(timeout_s):
            return await doing
    except TimeoutError as error:
        raise failure(DeadlineExceededError, "the time is up") from error
    except HTTP_LIBRARY_ERRORS as error:
        raise http_library_failure(error) from error


async def _next(pieces: AsyncIterator[bytes]) -> bytes | None:
    return await anext(pieces, None)
