"""Does the core's effects, blocking."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from triton_rag_client.core.exchange import Emit, Open, Pause, Receive, Send
from triton_rag_client.errors import RagError
from triton_rag_client.transport.closing import client_closed

if TYPE_CHECKING:
    import threading
    from collections.abc import Generator

    from triton_rag_client.core.exchange import Effect, Steps
    from triton_rag_client.results import Delta

__all__ = ["SyncStream", "SyncTransport", "run", "run_stream"]

Result = TypeVar("Result")


class SyncStream(Protocol):
    """A streamed reply."""

    head: Any

    def receive(self, timeout_s: float) -> Any:
        """The next piece, or None at the end; raises `RagError`."""

    def close(self) -> None:
        """Leave; cancels what is not complete."""


class SyncTransport(Protocol):
    """Moves requests and replies; safe to use from many threads.

    Attributes:
        closed: Set before the connections are closed; what fails afterwards failed for that reason.
    """

    closed: threading.Event

    def send(self, request: Any, timeout_s: float) -> Any:
        """The whole reply; raises `RagError`."""

    def open(self, request: Any, timeout_s: float) -> SyncStream:
        """The beginning of a streamed reply; raises `RagError`."""

    def close(self) -> None:
        """Close the connections."""


def run(steps: Steps[Result], transport: SyncTransport) -> Result:
    """Do the steps of a request that has one reply, and give its result."""
    hands = _Hands(transport)
    try:
        effect = next(steps)
        while True:
            try:
                done = hands.do(effect)
            except RagError as error:
                effect = steps.throw(error)
            else:
                effect = steps.send(done)
    except StopIteration as stop:
        result: Result = stop.value
        return result


def run_stream(steps: Steps[None], transport: SyncTransport) -> Generator[Delta, None, None]:
    """Do the steps of a streamed request; closing this generator cancels the request."""
    hands = _Hands(transport)
    try:
        effect = next(steps)
        while True:
            done = None
            try:
                if isinstance(effect, Emit):
                    yield effect.delta
                else:
                    done = hands.do(effect)
            except RagError as error:
                effect = steps.throw(error)
            else:
                effect = steps.send(done)
    except StopIteration:
        return
    finally:
        hands.leave()


class _Hands:
    """Does single effects, and holds the open stream between them."""

    def __init__(self, transport: SyncTransport) -> None:
        self._transport = transport
        self._stream: SyncStream | None = None

    def do(self, effect: Effect) -> Any:
        """What came of an effect.

        Raises:
            RequestCancelledError: The client was closed before or meanwhile.
            RagError: It failed.
        """
        closed = self._transport.closed
        if closed.is_set():
            raise client_closed()
        try:
            return self._do(effect)
        except Exception as error:
            # How a closed connection shows itself is each library's own affair.
            if closed.is_set():
                raise client_closed() from error
            raise

    def _do(self, effect: Effect) -> Any:
        match effect:
            case Send(request, timeout_s):
                return self._transport.send(request, timeout_s)
            case Open(request, timeout_s):
                self.leave()
                self._stream = self._transport.open(request, timeout_s)
                return self._stream.head
            case Receive(timeout_s) if self._stream is not None:
                return self._stream.receive(timeout_s)
            case Pause(seconds):
                self._transport.closed.wait(seconds)
                return None
            case _:
                raise TypeError(f"{effect} is not possible here")

    def leave(self) -> None:
        if self._stream is not None:
            self._stream.close()
            self._stream = None
