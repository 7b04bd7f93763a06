"""The blocking and the async client behind one face, so that a test can be written once for both."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from triton_rag_client import AsyncRagClient, Delta, RagClient

if TYPE_CHECKING:
    import threading
    from collections.abc import Coroutine


class SyncAsker:
    """Uses the blocking client."""

    def __init__(self, url: str, **settings: Any) -> None:
        self.client = RagClient(url, **settings)

    def call(self, method: str, *arguments: Any, **options: Any) -> Any:
        owner = self if method == "deltas" else self.client
        return getattr(owner, method)(*arguments, **options)

    def deltas(self, *arguments: Any, **options: Any) -> list[Delta]:
        return list(self.client.stream(*arguments, **options))

    def first_delta(self, *arguments: Any, **options: Any) -> Delta:
        stream = self.client.stream(*arguments, **options)
        delta = next(stream)
        stream.close()
        return delta

    def call_and_close(self, when: threading.Event, method: str, *arguments: Any, **options: Any) -> Any:
        """Call, close the client when told to, and give what came of the call."""
        with ThreadPoolExecutor(1) as thread:
            calling = thread.submit(self.call, method, *arguments, **options)
            when.wait(30)
            self.client.close()
            return calling.result(30)

    def deltas_and_close(self, when: threading.Event, *arguments: Any, **options: Any) -> Any:
        """Read a stream, close the client when told to while it is read, and give what came of it."""
        return self.call_and_close(when, "deltas", *arguments, **options)

    def delta_after_close(self, *arguments: Any, reads_before: int, **options: Any) -> Delta:
        """A delta of a stream that was made, and read so many times, before the client was closed."""
        stream = self.client.stream(*arguments, **options)
        for _ in range(reads_before):
            next(stream)
        self.client.close()
        return next(stream)

    def close(self) -> None:
        self.client.close()


class AsyncAsker:
    """Uses the async client, one call after the other."""

    def __init__(self, url: str, **settings: Any) -> None:
        self.client = AsyncRagClient(url, **settings)
        self.runner = asyncio.Runner()

    def call(self, method: str, *arguments: Any, **options: Any) -> Any:
        return self.runner.run(getattr(self.client, method)(*arguments, **options))

    def deltas(self, *arguments: Any, **options: Any) -> list[Delta]:
        async def all_deltas() -> list[Delta]:
            return [delta async for delta in self.client.stream(*arguments, **options)]

        return self.runner.run(all_deltas())

    def first_delta(self, *arguments: Any, **options: Any) -> Delta:
        async def first() -> Delta:
            async with aclosing(self.client.stream(*arguments, **options)) as stream:
                return await anext(stream)

        return self.runner.run(first())

    def call_and_close(self, when: threading.Event, method: str, *arguments: Any, **options: Any) -> Any:
        return self.runner.run(
            self._and_close(when, getattr(self.client, method)(*arguments, **options)),
        )

    def deltas_and_close(self, when: threading.Event, *arguments: Any, **options: Any) -> Any:
        async def all_deltas() -> list[Delta]:
            return [delta async for delta in self.client.stream(*arguments, **options)]

        return self.runner.run(self._and_close(when, all_deltas()))

    def delta_after_close(self, *arguments: Any, reads_before: int, **options: Any) -> Delta:
        async def delta() -> Delta:
            stream = self.client.stream(*arguments, **options)
            for _ in range(reads_before):
                await anext(stream)
            await self.client.close()
            return await anext(stream)

        return self.runner.run(delta())

    async def _and_close(self, when: threading.Event, call: Coroutine[Any, Any, Any]) -> Any:
        calling = asyncio.create_task(call)
        await asyncio.to_thread(when.wait, 30)
        await self.client.close()
        async with asyncio.timeout(30):
            return await calling

    def close(self) -> None:
        self.runner.run(self.client.close())
        self.runner.close()
