"""The blocking and the async client behind one face, so that a test can be written once for both."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import Any

from triton_rag_client import AsyncRagClient, Delta, RagClient


class SyncAsker:
    """Uses the blocking client."""

    def __init__(self, url: str, **settings: Any) -> None:
        self.client = RagClient(url, **settings)

    def call(self, method: str, *arguments: Any, **options: Any) -> Any:
        return getattr(self.client, method)(*arguments, **options)

    def deltas(self, *arguments: Any, **options: Any) -> list[Delta]:
        return list(self.client.stream(*arguments, **options))

    def first_delta(self, *arguments: Any, **options: Any) -> Delta:
        stream = self.client.stream(*arguments, **options)
        delta = next(stream)
        stream.close()
        return delta

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

    def close(self) -> None:
        self.runner.run(self.client.close())
        self.runner.close()
