"""The two kinds of load, and one run of either."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from triton_rag_client.load.arrivals import Arrivals, arrival_times
from triton_rag_client.load.closed_loop import run_closed_loop
from triton_rag_client.load.open_loop import run_open_loop
from triton_rag_client.load.records import RequestRecord
from triton_rag_client.load.requests import StreamAnswer

__all__ = ["ClosedLoop", "Load", "OpenLoop", "run_load"]


@dataclass(frozen=True, slots=True)
class ClosedLoop:
    """So many requests at any time.

    Attributes:
        concurrency: How many.
    """

    concurrency: int

    def __str__(self) -> str:
        return f"{self.concurrency} at a time"


@dataclass(frozen=True, slots=True)
class OpenLoop:
    """So many requests a second, whatever became of those before.

    Attributes:
        rate_per_s: How many.
        arrivals: At even distances, or as a Poisson process.
        seed: Of the random distances.
    """

    rate_per_s: float
    arrivals: Arrivals = "poisson"
    seed: int = 0

    def __str__(self) -> str:
        return f"{self.rate_per_s:.4g}/s {self.arrivals}"


Load: TypeAlias = ClosedLoop | OpenLoop


async def run_load(
    stream: StreamAnswer, questions: Sequence[str], load: Load, seconds: float
) -> list[RequestRecord]:
    """Put a load on a server for a while, and wait for all answers.

    Args:
        stream: What answers.
        questions: Asked in this order, and again from the first when they are used up.
        load: The load.
        seconds: For how long requests are sent.

    Raises:
        RateNotSentError: This process could not send an open loop's rate.
    """
    if isinstance(load, ClosedLoop):
        return await run_closed_loop(stream, questions, concurrency=load.concurrency, seconds=seconds)
    due_times_s = arrival_times(load.arrivals, load.rate_per_s, seconds, seed=load.seed)
    return await run_open_loop(stream, questions, due_times_s)
