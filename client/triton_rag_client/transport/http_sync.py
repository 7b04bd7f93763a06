"""HTTP, blocking. httpx2's clients are safe to use from many threads.

httpx2 limits each phase of a request, and each read in it, by itself. Here one moment ends a whole reply: a
trace gives each phase what is left, and sees each connection when it is made, whose reads then keep to it.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
import weakref
from typing import TYPE_CHECKING, Any

import httpx2

from triton_rag_client.core.http_wire import HttpReply
from triton_rag_client.transport.closing import client_closed
from triton_rag_client.transport.http_client import (
    HTTP_LIBRARY_ERRORS,
    LIMITS,
    all_headers,
    built_request,
    head_of,
    http_library_failure,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from triton_rag_client.address import Address, TlsFiles
    from triton_rag_client.core.http_wire import HttpRequest

__all__ = ["HttpTransport"]


class HttpTransport:
    """A pool of connections to one server."""

    def __init__(self, address: Address, tls: TlsFiles, headers: Mapping[str, str]) -> None:
        self.closed = threading.Event()
        self._sockets: weakref.WeakSet[socket.socket] = weakref.WeakSet()
        self._sockets_lock = threading.Lock()
        self._client = httpx2.Client(
            base_url=address.url,
            headers=all_headers(headers),
            verify=tls.context() if address.is_secure else True,
            limits=LIMITS,
        )

    def send(self, request: HttpRequest, timeout_s: float) -> HttpReply:
        """A request whose reply is read whole."""
        response = self._sent(request, timeout_s, is_stream=False)
        return HttpReply(head_of(response), response.content)

    def open(self, request: HttpRequest, timeout_s: float) -> _Stream:
        """A request whose reply is read in pieces."""
        return _Stream(self._sent(request, timeout_s, is_stream=True))

    def close(self) -> None:
        """Close the connections, and wake the threads that read from them."""
        self.closed.set()
        with self._sockets_lock:
            for connection in self._sockets:
                with contextlib.suppress(OSError):  # it is closed already
                    connection.shutdown(socket.SHUT_RDWR)
        self._client.close()

    def _sent(self, request: HttpRequest, timeout_s: float, *, is_stream: bool) -> httpx2.Response:
        built = built_request(self._client, request, timeout_s)
        built.extensions["trace"] = self._trace(built.extensions["timeout"], timeout_s)
        try:
            return self._client.send(built, stream=is_stream)
        except HTTP_LIBRARY_ERRORS as error:
            raise http_library_failure(error) from error

    def _trace(self, timeouts: dict[str, float], timeout_s: float) -> Callable[[str, Any], None]:
        """What gives each phase (connect, write, read) what the phases before it have left."""
        ends = time.monotonic() + timeout_s

        def trace(event: str, facts: Any) -> None:
            if event.endswith((".connect_tcp.complete", ".start_tls.complete")):
                self._watch(facts["return_value"])
            elif event.endswith(".started"):
                left_s = max(ends - time.monotonic(), 0.001)
                timeouts.update(dict.fromkeys(timeouts, left_s), read=_Until(left_s, ends))

        return trace

    def _watch(self, stream: Any) -> None:
        """Let the reads of a new connection keep to their request's end, and `close` find its socket."""
        stream.read = _timely(stream.read)
        with self._sockets_lock:
            self._sockets.add(stream.get_extra_info("socket"))
            if self.closed.is_set():  # `close` has been here already
                raise client_closed()


class _Stream:
    """A body that is read as it comes; its reads keep to the request's end."""

    def __init__(self, response: httpx2.Response) -> None:
        self.head = head_of(response)
        self._response = response
        self._pieces = response.iter_raw()

    def receive(self, timeout_s: float) -> bytes | None:
        try:
            return next(self._pieces, None)
        except HTTP_LIBRARY_ERRORS as error:
            raise http_library_failure(error) from error

    def close(self) -> None:
        self._response.close()


class _Until(float):
    """A timeout in seconds, as the library wants it, which knows the moment it counts to."""

    def __new__(cls, left_s: float, ends: float) -> _Until:
        made = super().__new__(cls, left_s)
        made.ends = ends
        return made

    ends: float


def _timely(read: Callable[..., bytes]) -> Callable[..., bytes]:
    """A connection's `read` that waits no longer than until the end its timeout knows."""

    def timely(max_bytes: int, timeout: float | None = None) -> bytes:
        if isinstance(timeout, _Until):
            timeout = timeout.ends - time.monotonic()
            if timeout <= 0:
                raise TimeoutError("the time is up")
        return read(max_bytes, timeout)

    return timely
