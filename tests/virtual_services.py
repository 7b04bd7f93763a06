"""Services that answer in virtual time, whose capacity and delays are known."""

import asyncio
import math
import random
from collections.abc import AsyncGenerator, Callable

from triton_rag_client.results import Delta

__all__ = ["QueueService", "StallingService", "busy", "delta"]


def delta(text: str, tokens: int = 1) -> Delta:
    return Delta(text, (), 0, None, prompt_tokens=7, answer_tokens=tokens)


class QueueService:
    """So many workers, each busy for a time with a request; the others wait their turn.

    Args:
        workers: How many.
        busy_s: Gives the time of the next request.
    """

    def __init__(self, workers: int, busy_s: Callable[[], float]) -> None:
        self.requests = 0
        self._free = asyncio.Semaphore(workers)
        self._busy_s = busy_s

    async def stream(self, question: str) -> AsyncGenerator[Delta]:
        self.requests += 1
        async with self._free:
            await asyncio.sleep(self._busy_s())
        yield delta("answer")


class StallingService:
    """Answers any number of requests after a time, but once a second it stalls.

    Args:
        answer_s: Time of an answer.
        stall_begin_s: When in each second it stalls: what comes then begins when the stall ends.
        stall_s: For how long.
    """

    def __init__(self, answer_s: float, stall_begin_s: float, stall_s: float) -> None:
        self._answer_s = answer_s
        self._stall_begin_s = stall_begin_s
        self._stall_s = stall_s

    async def stream(self, question: str) -> AsyncGenerator[Delta]:
        into_stall_s = math.fmod(asyncio.get_running_loop().time(), 1.0) - self._stall_begin_s
        if 0 <= into_stall_s < self._stall_s:
            await asyncio.sleep(self._stall_s - into_stall_s)
        await asyncio.sleep(self._answer_s)
        yield delta("answer")


def busy(mean_s: float, seed: int | None = None) -> Callable[[], float]:
    """Always the mean; with a seed, exponentially distributed times."""
    if seed is None:
        return lambda: mean_s
    draw = random.Random(seed).expovariate
    return lambda: draw(1 / mean_s)
