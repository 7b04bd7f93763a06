"""`RagClient`: questions to a server, blocking."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar, overload

from triton_rag_client.address import TlsFiles, parse_address
from triton_rag_client.core.retry import RetryPolicy
from triton_rag_client.core.session import Session
from triton_rag_client.transport.sync_driver import SyncTransport, run, run_stream

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence
    from types import TracebackType
    from typing import Self, Unpack

    import numpy as np
    import numpy.typing as npt

    from triton_rag_client.address import Address
    from triton_rag_client.core.exchange import Steps
    from triton_rag_client.core.wire import Wire
    from triton_rag_client.options import AskOptions, RetrieveOptions
    from triton_rag_client.results import Answer, Delta, Passage, ServerMetadata

__all__ = ["RagClient"]

Result = TypeVar("Result")


class RagClient:
    """Asks one server. Make one and share it: it is safe to use from many threads, and keeps its connections.

    Every method takes `timeout_s`, the seconds that all its attempts together may take, and raises
    `DeadlineExceededError` after them. A request that finds the server unavailable is sent again after a
    pause; no other one is, and no stream once its first delta is here.

    Args:
        url: `grpc://host:port`, `grpcs://`, `http://` or `https://`.
        timeout_s: For requests that bring no own, in seconds.
        headers: Sent with every request (gRPC: its metadata), for instance `authorization`.
        tls: Certificates for `grpcs://` and `https://`; see `TlsFiles`.
        retry: How often and after which pauses a request is sent again.

    Raises:
        ClientSetupError: The address, a file, a header or a number is not possible.
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

    def ask(self, query: str, *, timeout_s: float | None = None, **options: Unpack[AskOptions]) -> Answer:
        """The whole answer to a question, with the passages it rests on.

        Args:
            query: The question.
            timeout_s: For this request, in seconds.
            **options: See `AskOptions`; what is left out has the server's default.

        Raises:
            InvalidRequestError: The question or an option was refused.
            RagError: Any other of the tree in `errors`.
        """
        return self._run(self._session.ask(query, options, timeout_s))

    def stream(
        self, query: str, *, timeout_s: float | None = None, **options: Unpack[AskOptions]
    ) -> Generator[Delta, None, None]:
        """The answer as it is written. The request is sent when the first delta is taken.

        Leaving the loop, or closing the generator, cancels the request on the server. The first delta has the
        passages, the last one the finish reason.

        Args:
            query: The question.
            timeout_s: Until the last delta, in seconds, the caller's own work between deltas included.
            **options: See `AskOptions`; what is left out has the server's default.

        Raises:
            InvalidRequestError: The question or an option was refused.
            RagError: Any other of the tree in `errors`; at any delta.
        """
        return run_stream(self._session.stream(query, options, timeout_s), self._transport)

    @overload
    def retrieve(  # type: ignore[overload-overlap]  # a str is a Sequence[str] too; the first that fits wins
        self, queries: str, *, timeout_s: float | None = None, **options: Unpack[RetrieveOptions]
    ) -> tuple[Passage, ...]: ...
    @overload
    def retrieve(
        self, queries: Sequence[str], *, timeout_s: float | None = None, **options: Unpack[RetrieveOptions]
    ) -> tuple[tuple[Passage, ...], ...]: ...
    def retrieve(
        self,
        queries: str | Sequence[str],
        *,
        timeout_s: float | None = None,
        **options: Unpack[RetrieveOptions],
    ) -> tuple[Passage, ...] | tuple[tuple[Passage, ...], ...]:
        """The passages for a query, best first; for a list of queries, one tuple each.

        Args:
            queries: One or several; a long list goes in several requests.
            timeout_s: For all of them, in seconds.
            **options: See `RetrieveOptions`; what is left out has the server's default.

        Raises:
            RowsRefusedError: Some rows of a list were refused; the error holds the results of the others.
            InvalidRequestError: The query, every row of the list, or an option was refused.
            RagError: Any other of the tree in `errors`.
        """
        found: tuple[Passage, ...] = self._run(self._session.retrieve(queries, options, timeout_s))
        return found

    def embed(
        self, queries: str | Sequence[str], *, timeout_s: float | None = None
    ) -> npt.NDArray[np.float32]:
        """The vector of a query, shape (size,); for a list of queries, shape (rows, size).

        Args:
            queries: One or several; a long list goes in several requests.
            timeout_s: For all of them, in seconds.

        Raises:
            RowsRefusedError: Some rows of a list were refused; the error holds the vectors of the others.
            InvalidRequestError: The query, or every row of the list, was refused.
            RagError: Any other of the tree in `errors`.
        """
        found: npt.NDArray[np.float32] = self._run(self._session.embed(queries, timeout_s))
        return found

    def ready(self, *, timeout_s: float | None = None) -> bool:
        """Whether the server is there and all its models are loaded. Asked once, without another attempt."""
        return self._run(self._session.ready(timeout_s))

    def metadata(self, *, timeout_s: float | None = None) -> ServerMetadata:
        """What the server says of itself."""
        return self._run(self._session.metadata(timeout_s))

    def close(self) -> None:
        """Close the connections.

        Requests and streams that are under way, in other threads too, and later ones raise
        `RequestCancelledError`. Who is still connecting learns of it when that has ended.
        """
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _run(self, steps: Steps[Result]) -> Result:
        return run(steps, self._transport)


def _wire_and_transport(
    address: Address, tls: TlsFiles, headers: Mapping[str, str]
) -> tuple[Wire, SyncTransport]:
    """The halves for the address; a program that uses one wire does not import the other's library."""
    if address.wire == "grpc":
        from triton_rag_client.core.grpc_wire import GrpcWire
        from triton_rag_client.transport.grpc_sync import GrpcTransport

        return GrpcWire(), GrpcTransport(address, tls, headers)
    from triton_rag_client.core.http_wire import HttpWire
    from triton_rag_client.transport.http_sync import HttpTransport

    return HttpWire(), HttpTransport(address, tls, headers)
