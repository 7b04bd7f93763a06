"""Does the core's effects with `await`."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from triton_rag_client.core.exchange import Emit, Open, Pause, Receive, Send
from triton_rag_client.errors import RagError

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
    """Moves requests and replies; many at once."""

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
                await asyncio.sleep(seconds)
                return None
            case _:
                raise TypeError(f"{effect} is not possible here")

    async def leave(self) -> None:
        if self._stream is not None:
            await self._stream.close()
            self._stream = None
