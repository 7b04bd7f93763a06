"""What the two HTTP shells share: limits, headers, and httpx2's errors as ours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import httpx2

from triton_rag_client.core.headers import checked_headers
from triton_rag_client.core.http_wire import HttpHead
from triton_rag_client.core.wire import failure
from triton_rag_client.errors import (
    ConnectionFailedError,
    DeadlineExceededError,
    ProtocolError,
    RagError,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from triton_rag_client.core.http_wire import HttpRequest

__all__ = ["HTTP_LIBRARY_ERRORS", "LIMITS", "all_headers", "built_request", "head_of", "http_library_failure"]

LIMITS: Final = httpx2.Limits(max_connections=None, max_keepalive_connections=64)
"""As many requests at once as there are callers: the server, not the pool, says when it is full."""

HttpLibraryError = httpx2.HTTPError | httpx2.StreamError | httpx2.InvalidURL | OSError
HTTP_LIBRARY_ERRORS: Final = (httpx2.HTTPError, httpx2.StreamError, httpx2.InvalidURL, OSError)
"""What sending or reading may raise: the library lets some of its sockets' own errors through, such as an
`ssl.SSLError` when the server refuses the client's certificate while the client reads."""


def all_headers(headers: Mapping[str, str]) -> httpx2.Headers:
    """The caller's headers, and none that would make the server compress vectors.

    Raises:
        ClientSetupError: A header cannot be sent.
    """
    own = {"accept-encoding": "identity", "user-agent": "triton-rag"}
    return httpx2.Headers(own | dict(checked_headers(headers, "http")))


def built_request(
    client: httpx2.Client | httpx2.AsyncClient, request: HttpRequest, timeout_s: float
) -> httpx2.Request:
    """The request as httpx2 sends it."""
    return client.build_request(
        request.method, request.path, headers=request.headers, content=request.content, timeout=timeout_s
    )


def head_of(response: httpx2.Response) -> HttpHead:
    """Status and headers."""
    return HttpHead(response.status_code, {name.lower(): value for name, value in response.headers.items()})


def http_library_failure(error: HttpLibraryError) -> RagError:
    """The error for one of `HTTP_LIBRARY_ERRORS`."""
    said = f"{type(error).__name__}: {error}"
    match error:
        case httpx2.TimeoutException() | TimeoutError():
            return failure(DeadlineExceededError, said)
        case (
            httpx2.NetworkError()
            | httpx2.ProxyError()
            | httpx2.RemoteProtocolError()
            | httpx2.StreamError()
            | OSError()
        ):
            return failure(ConnectionFailedError, said)
        case _:
            return failure(ProtocolError, said)
