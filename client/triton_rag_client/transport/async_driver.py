"""Does the core's effects with `await`."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from triton_rag_client.core.exchange import Emit, Open, Pause, Receive, Send
from triton_rag_client.errors import RagError
from triton_rag_client.transport.closing import client_closed

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from triton_rag_client.core.exchange import Effect, Steps
    from triton_rag_client.results import Delta

__all__ = ["AsyncStream", "AsyncTransport", "run_async", "run_async_stream"]

Result = TypeVar("Result")


class AsyncStream(Protocol):
    """A streamed reply."""

    head: Any

    async def receive(self, timeout_s: float) -> Any:
        """The next piece, or None at the end; raises `RagError`."""

    async def close(self) -> None:
        """Leave; cancels what is not complete."""


class AsyncTransport(Protocol):
    """Moves requests and replies; many at once.

    Attributes:
        closed: Set before the connections are closed; what fails afterwards failed for that reason.
    """

    closed: asyncio.Event

    async def send(self, request: Any, timeout_s: float) -> Any:
        """The whole reply; raises `RagError`."""

    async def open(self, request: Any, timeout_s: float) -> AsyncStream:
        """The beginning of a streamed reply; raises `RagError`."""

    async def close(self) -> None:
        """Close the connections."""


async def run_async(steps: Steps[Result], transport: AsyncTransport) -> Result:
    """Do the steps of a request that has one reply, and give its result."""
    hands = _Hands(transport)
    try:
        effect = next(steps)
        while True:
            try:
                done = await hands.do(effect)
            except RagError as error:
                effect = steps.throw(error)
            else:
                effect = steps.send(done)
    except StopIteration as stop:
        result: Result = stop.value
        return result


async def run_async_stream(steps: Steps[None], transport: AsyncTransport) -> AsyncGenerator[Delta]:
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
                    done = await hands.do(effect)
            except RagError as error:
                effect = steps.throw(error)
            else:
                effect = steps.send(done)
    except StopIteration:
        return
    finally:
        await hands.leave()


class _Hands:
    """Does single effects, and holds the open stream between them."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport
        self._stream: AsyncStream | None = None

    async def do(self, effect: Effect) -> Any:
        """What came of an effect.

        Raises:
            RequestCancelledError: The client was closed before or meanwhile.
            RagError: It failed.
        """
        closed = self._transport.closed
        if closed.is_set():
            raise client_closed()
        try:
            return await self._do(effect)
        except asyncio.CancelledError as error:
            # A gRPC call that its channel cancels raises this too; nobody cancelled this task then.
            task = asyncio.current_task()
            if closed.is_set() and task is not None and not task.cancelling():
                raise client_closed() from error
            raise
        except Exception as error:
            # How a closed connection shows itself is each library's own affair.
            if closed.is_set():
                raise client_closed() from error
            raise

    async def _do(self, effect: Effect) -> Any:
        match effect:
            case Send(request, timeout_s):
                return await self._transport.send(request, timeout_s)
            case Open(request, timeout_s):
                await self.leave()
                self._stream = await self._transport.open(request, timeout_s)
                return self._stream.head
            case Receive(timeout_s) if self._stream is not None:
                return await self._stream.receive(timeout_s)
            case Pause(seconds):
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._transport.closed.wait(), seconds)
                return None
            case _:
                raise TypeError(f"{effect} is not possible here")

    async def leave(self) -> None:
        if self._stream is not None:
            await self._stream.close()
            self._stream = None
