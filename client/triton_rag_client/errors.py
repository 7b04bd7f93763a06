"""Errors of the client.

RagError                      everything below; its message ends in what to do
├── ClientSetupError          the client was set up wrongly: address, TLS files, timeout
├── InvalidRequestError       refused, by the server or before it was sent: names field, value, range
│   └── RowsRefusedError      some rows of a list were refused; holds the results of the others
├── ModelNotFoundError        the server does not serve this model
├── AccessDeniedError         the server, or a proxy before it, wants other credentials
├── LimitExceededError        a quota or a size limit, often of a proxy
├── UnavailableError          queue full or not ready: tried again until the deadline (the only one that is)
│   └── ConnectionFailedError no server there, or the connection broke
├── DeadlineExceededError     the one deadline over all attempts has passed
├── RequestCancelledError     the server, or another part of this program, cancelled the request
├── ServerError               the server failed: its log says why
├── ProtocolError             the reply is not what the wire contract says
├── PerfAnalyzerError         perf_analyzer, the load generator, failed or wrote what cannot be read
├── RateNotSentError          our own load generator could not send as many requests a second as it should
└── SloUnreachableError       the server keeps the targets at no rate that was tried
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    import numpy.typing as npt

    from triton_rag_client.results import Passage

    RowResult: TypeAlias = tuple[Passage, ...] | npt.NDArray[np.float32]

__all__ = [
    "AccessDeniedError",
    "ClientSetupError",
    "ConnectionFailedError",
    "DeadlineExceededError",
    "InvalidRequestError",
    "LimitExceededError",
    "ModelNotFoundError",
    "PerfAnalyzerError",
    "ProtocolError",
    "RagError",
    "RateNotSentError",
    "RequestCancelledError",
    "RowsRefusedError",
    "ServerError",
    "SloUnreachableError",
    "UnavailableError",
]


class RagError(Exception):
    """The root of what the client raises on purpose.

    Attributes:
        is_retryable: Whether the same request may succeed when it is sent again.
    """

    is_retryable: ClassVar[bool] = False


class ClientSetupError(RagError, ValueError):
    """The client was set up wrongly: an address, TLS files, a timeout."""


class InvalidRequestError(RagError, ValueError):
    """The request was refused; the message names the field, the value and what is allowed."""


class RowsRefusedError(InvalidRequestError):
    """Some rows of a list were refused; the others succeeded and are here.

    Attributes:
        errors: Row number, from 0, to the reason why that row was refused.
        results: One result a row, in the order asked: passages or a vector; None for a refused row.
    """

    def __init__(
        self,
        errors: Mapping[int, str],
        results: tuple[RowResult | None, ...],
    ) -> None:
        self.errors = dict(errors)
        self.results = results
        reasons = "; ".join(f"row {row}: {reason}" for row, reason in list(self.errors.items())[:3])
        more = f"; and {len(self.errors) - 3} more" if len(self.errors) > 3 else ""
        super().__init__(
            f"{len(self.errors)} of {len(results)} rows were refused ({reasons}{more}). "
            "The results of the others are in this error's `results`; correct or leave out the refused rows."
        )


class ModelNotFoundError(RagError):
    """The server does not serve this model."""


class AccessDeniedError(RagError):
    """The server, or a proxy before it, wants other credentials."""


class LimitExceededError(RagError):
    """A quota or a size limit, often of a proxy, was exceeded."""


class UnavailableError(RagError):
    """The server cannot take the request now: its queue is full, or it is not ready."""

    is_retryable = True


class ConnectionFailedError(UnavailableError, ConnectionError):
    """There is no server at the address, or the connection to it broke."""


class DeadlineExceededError(RagError, TimeoutError):
    """The deadline, one for all attempts of a request, has passed."""


class RequestCancelledError(RagError):
    """The request was cancelled: by the server, or because the client was closed."""


class ServerError(RagError):
    """The server failed while it worked on the request."""


class ProtocolError(RagError):
    """The reply is not what the wire contract says."""


class PerfAnalyzerError(RagError):
    """A run of perf_analyzer, the load generator, failed, or it wrote what cannot be read."""


class RateNotSentError(RagError):
    """The load generator could not send as many requests a second as it should; how many, it says."""


class SloUnreachableError(RagError):
    """A server keeps the targets (service level objectives) at no rate that was tried."""
