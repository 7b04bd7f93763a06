"""The steps of a request, whatever carries it: send, wait, send again, read, until done or the deadline.

Each function is a generator that yields what is to be done (an `Effect`) and is sent what came of it, or has
a `RagError` thrown into it. A driver that does the effects, with or without `await`, is all that a shell
needs; so retry and deadline are written, and tested, once.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from triton_rag_client.core import replies
from triton_rag_client.errors import DeadlineExceededError, ProtocolError, RagError

if TYPE_CHECKING:
    from collections.abc import Callable

    from triton_rag_client.core.requests import InferenceCall
    from triton_rag_client.core.retry import Deadline, RetryPolicy
    from triton_rag_client.core.wire import Wire
    from triton_rag_client.results import Delta

__all__ = ["Effect", "Emit", "Open", "Pause", "Receive", "Send", "Steps", "send", "stream"]

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Send:
    """Send a request and give its whole reply."""

    request: Any
    timeout_s: float


@dataclass(frozen=True, slots=True)
class Open:
    """Close the stream before, if any; send a request and give the head of its streamed reply."""

    request: Any
    timeout_s: float


@dataclass(frozen=True, slots=True)
class Receive:
    """Give the next piece of the open stream, or None at its end."""

    timeout_s: float


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Emit:
    """Hand a delta to the caller."""

    delta: Delta


Effect: TypeAlias = Send | Open | Receive | Pause | Emit
Steps: TypeAlias = Generator[Effect, Any, Result]


def send(
    request: Callable[[float], Any], read: Callable[[Any], Result], deadline: Deadline, policy: RetryPolicy
) -> Steps[Result]:
    """Send a request until it succeeds, for good or ill.

    Args:
        request: Makes the request as the wire wants it, from the seconds that are left for it.
        read: Turns the reply into the result, or raises the error it tells of.
        deadline: For all attempts together.
        policy: How often and when it is sent again.

    Raises:
        DeadlineExceededError: The time is up.
        RagError: What the last attempt failed with.
    """
    last: RagError | None = None
    for attempt in count(1):
        try:
            left_s = deadline.remaining_s(last)
            return read((yield Send(request(left_s), left_s)))
        except DeadlineExceededError as error:
            if deadline.is_over:
                raise deadline.exceeded(last) from error
            raise
        except RagError as error:
            last = error
        yield from _pause_or_fail(last, attempt, deadline, policy)
    raise AssertionError("count() does not end")


def stream(wire: Wire, call: InferenceCall, deadline: Deadline, policy: RetryPolicy) -> Steps[None]:
    """Open a stream and emit its deltas; it is opened again only as long as there was none.

    Raises:
        DeadlineExceededError: The time is up; it runs until the last delta.
        RagError: What the last attempt failed with.
        ProtocolError: The stream ended without a finish reason.
    """
    last: RagError | None = None
    for attempt in count(1):
        delta: Delta | None = None
        try:
            left_s = deadline.remaining_s(last)
            reader = wire.stream_reader(call, (yield Open(wire.stream_request(call, left_s), left_s)))
            while (piece := (yield Receive(deadline.remaining_s()))) is not None:
                for reply in reader.feed(piece):
                    delta = replies.delta(reply)
                    yield Emit(delta)
            reader.end()
            if delta is None or delta.finish_reason is None:
                raise ProtocolError(
                    "the stream ended before the answer did; see the server's log, and ask again"
                )
            return
        except DeadlineExceededError as error:
            if deadline.is_over:
                raise deadline.exceeded(last) from error
            raise
        except RagError as error:
            if delta is not None:
                raise
            last = error
        yield from _pause_or_fail(last, attempt, deadline, policy)


def _pause_or_fail(
    error: RagError, attempt: int, deadline: Deadline, policy: RetryPolicy
) -> Generator[Pause, Any, None]:
    if not error.is_retryable or attempt >= policy.attempts:
        raise error
    pause_s = policy.pause_s(attempt)
    if pause_s >= deadline.remaining_s(error):
        raise deadline.exceeded(error) from error
    yield Pause(pause_s)
