"""What a wire, gRPC or HTTP, must know: how a call looks on it, and what a reply on it means."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, Protocol

from triton_rag_client.errors import (
    AccessDeniedError,
    ConnectionFailedError,
    DeadlineExceededError,
    InvalidRequestError,
    LimitExceededError,
    ModelNotFoundError,
    ProtocolError,
    RagError,
    RequestCancelledError,
    ServerError,
    UnavailableError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from triton_rag_client.core.replies import Reply
    from triton_rag_client.core.requests import InferenceCall
    from triton_rag_client.results import ServerMetadata

__all__ = ["StreamReader", "Wire", "failure", "microseconds"]


class StreamReader(Protocol):
    """Reads one streamed reply."""

    def feed(self, piece: Any) -> Iterator[Reply]:
        """The replies that this piece completes; raises the error that it tells of."""

    def end(self) -> None:
        """The stream is over; raises the error that only its end makes clear."""


class Wire(Protocol):
    """Requests and replies on one wire. `Any` is what that wire's shell sends and receives."""

    def infer_request(self, call: InferenceCall, timeout_s: float) -> Any:
        """A call that has one reply; the server is told how long the client will wait."""

    def infer_reply(self, call: InferenceCall, reply: Any) -> Reply:
        """The outputs of that reply, or the error that it tells of."""

    def stream_request(self, call: InferenceCall, timeout_s: float) -> Any:
        """A call that has many replies; the server is told how long the client will wait."""

    def stream_reader(self, call: InferenceCall, head: Any) -> StreamReader:
        """What reads them."""

    def config_request(self, model: str) -> Any:
        """The question how a model is configured."""

    def max_rows(self, reply: Any) -> int:
        """The most rows that the model takes in a request, or the error that the reply tells of."""

    def ready_request(self) -> Any:
        """The question whether the server is ready."""

    def is_ready(self, reply: Any) -> bool:
        """The answer to it."""

    def metadata_request(self) -> Any:
        """The question who the server is."""

    def server_metadata(self, reply: Any) -> ServerMetadata:
        """The answer to it, or the error that the reply tells of."""


_WHAT_TO_DO: Final[Mapping[type[RagError], str]] = {
    AccessDeniedError: "give the headers or the TLS files that the server wants",
    ConnectionFailedError: "is it the right address? `triton-rag serve DIR` starts a server",
    DeadlineExceededError: "give it, or a proxy before it, more time, or look at the server's load",
    InvalidRequestError: "",  # the served models say what is allowed
    LimitExceededError: "ask for less at once, or less often",
    ModelNotFoundError: "serve a repository that has this model: one built without a generator answers "
    "`embed` and `retrieve` alone",
    ProtocolError: "is a Triton server of this repository's version at the address?",
    RequestCancelledError: "ask again if that was not meant",
    ServerError: "see the server's log",
    UnavailableError: "when this stays, give the server more slots or a longer queue",
}
_ENSEMBLE: Final = re.compile(r"^(?:in ensemble '[^']*', )+")


def failure(kind: type[RagError], details: str) -> RagError:
    """The error for what a server, or the library below, said: its first line, and then what to do."""
    lines = _ENSEMBLE.sub("", details).strip().splitlines()
    said = lines[0].rstrip(".") if lines else "no reason was given"
    to_do = _WHAT_TO_DO[kind]
    return kind(f"{said}; {to_do}" if to_do else said)


def microseconds(timeout_s: float) -> int:
    """Seconds as Triton's request parameter `timeout` counts them; at least 1, since 0 is no limit."""
    return max(1, int(timeout_s * 1e6))
