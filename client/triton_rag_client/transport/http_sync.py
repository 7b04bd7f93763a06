"""HTTP, blocking. httpx2's clients are safe to use from many threads.

httpx2 limits each phase of a request by itself: a trace keeps one deadline over the phases, and a timer that
shuts the socket keeps it over the pieces of a stream.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
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
    from collections.abc import Callable, Mapping

    from triton_rag_client.address import Address, TlsFiles
    from triton_rag_client.core.http_wire import HttpRequest

__all__ = ["HttpTransport"]


class HttpTransport:
    """A pool of connections to one server."""

    def __init__(self, address: Address, tls: TlsFiles, headers: Mapping[str, str]) -> None:
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
        ends = time.monotonic() + timeout_s
        return _Stream(self._sent(request, timeout_s, is_stream=True), ends - time.monotonic())

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _sent(self, request: HttpRequest, timeout_s: float, *, is_stream: bool) -> httpx2.Response:
        built = built_request(self._client, request, timeout_s)
        built.extensions["trace"] = _one_deadline(built.extensions["timeout"], timeout_s)
        try:
            return self._client.send(built, stream=is_stream)
        except HTTP_LIBRARY_ERRORS as error:
            raise http_library_failure(error) from error


class _Stream:
    """A body that is read as it comes; a timer shuts its socket when the time is up."""

    def __init__(self, response: httpx2.Response, timeout_s: float) -> None:
        self.head = head_of(response)
        self._response = response
        self._pieces = response.iter_raw()
        self._is_late = False
        self._timer = threading.Timer(max(timeout_s, 0), self._shut)
        self._timer.daemon = True
        self._timer.start()

    def receive(self, timeout_s: float) -> bytes | None:
        try:
            piece = next(self._pieces, None)
        except HTTP_LIBRARY_ERRORS as error:
            if self._is_late:
                raise failure(DeadlineExceededError, "the time is up") from error
            raise http_library_failure(error) from error
        if self._is_late:
            raise failure(DeadlineExceededError, "the time is up")
        return piece

    def close(self) -> None:
        self._timer.cancel()
        self._response.close()

    def _shut(self) -> None:
        self._is_late = True
        connection = self._response.extensions["network_stream"].get_extra_info("socket")
        with contextlib.suppress(OSError):  # it is closed already
            connection.shutdown(socket.SHUT_RDWR)


def _one_deadline(timeouts: dict[str, float], timeout_s: float) -> Callable[[str, object], None]:
    """A trace that gives each phase (connect, write, read) what the phases before it have left."""
    ends = time.monotonic() + timeout_s

    def trace(event: str, facts: object) -> None:
        if event.endswith(".started"):
            left = max(ends - time.monotonic(), 0.001)
            timeouts.update(dict.fromkeys(timeouts, left))

    return trace
