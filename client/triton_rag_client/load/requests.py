"""One request of a load test, from asking to its last delta, timed by the clock of its event loop.

The loop's clock, not `time`: with a loop that keeps its own time a whole run can be checked by arithmetic.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import TypeAlias

from triton_rag_client.errors import RagError
from triton_rag_client.load.records import RequestRecord
from triton_rag_client.results import Delta

__all__ = ["StreamAnswer", "note_request"]

StreamAnswer: TypeAlias = Callable[[str], AsyncGenerator[Delta]]
"""A question to the deltas of its answer; raises `RagError`."""


async def note_request(stream: StreamAnswer, question: str, due_s: float | None = None) -> RequestRecord:
    """Ask, and note what comes when.

    Args:
        stream: What answers.
        question: What is asked.
        due_s: When it should have been sent, by the loop's clock; now when left out.
    """
    clock = asyncio.get_running_loop().time
    sent_s = clock()
    text_times_s: list[float] = []
    last: Delta | None = None
    error = None
    try:
        async with aclosing(stream(question)) as deltas:
            async for last in deltas:
                if last.text:
                    text_times_s.append(clock())
    except RagError as failure:
        error = type(failure).__name__
    return RequestRecord(
        start_s=sent_s if due_s is None else due_s,
        sent_s=sent_s,
        text_times_s=tuple(text_times_s),
        end_s=clock(),
        prompt_tokens=None if last is None else last.prompt_tokens,
        answer_tokens=None if last is None else last.answer_tokens,
        error=error,
        query_characters=len(question),
    )
