"""Our own load generator, closed loop: each of n workers asks, waits for the whole answer, asks again.

It measures what so many patient users get. A server that stalls is asked less meanwhile, so that the stall
hides in a few slow requests (coordinated omission): what a rate of requests suffers, the open loop shows.
"""

import asyncio
from collections.abc import Iterator, Sequence
from itertools import cycle

from triton_rag_client.load.records import RequestRecord
from triton_rag_client.load.requests import StreamAnswer, note_request

__all__ = ["run_closed_loop"]


async def run_closed_loop(
    stream: StreamAnswer, questions: Sequence[str], *, concurrency: int, seconds: float = 0.0
) -> list[RequestRecord]:
    """Stream answers for a while.

    Args:
        stream: What answers.
        questions: Asked in this order, and again from the first when they are used up.
        concurrency: How many requests run at any time.
        seconds: For how long new requests are sent; each worker sends at least one, and all are waited for.
    """
    questions_left = cycle(questions)
    deadline_s = asyncio.get_running_loop().time() + seconds
    async with asyncio.TaskGroup() as group:
        workers = [group.create_task(_work(stream, questions_left, deadline_s)) for _ in range(concurrency)]
    return [record for worker in workers for record in worker.result()]


async def _work(
    stream: StreamAnswer, questions_left: Iterator[str], deadline_s: float
) -> list[RequestRecord]:
    records = [await note_request(stream, next(questions_left))]
    while asyncio.get_running_loop().time() < deadline_s:
        records.append(await note_request(stream, next(questions_left)))
    return records
