"""Our own load generator, open loop: requests are sent when they are due, whatever became of those before.

A request's times count from the moment it was due, so that a stalled server is not forgiven the requests
that waited, and neither is this generator: what it sends late counts as slow. (Coordinated omission: Gil
Tene, "How NOT to Measure Latency", 2013.) It says how late it sent, and refuses a rate it could not send.
"""

import asyncio
from collections.abc import Sequence
from itertools import cycle

from triton_rag_client.errors import RateNotSentError
from triton_rag_client.load.records import RequestRecord
from triton_rag_client.load.requests import StreamAnswer, note_request

__all__ = ["refuse_unsent_rate", "run_open_loop"]

_MOST_LAG_S = 1.0  # later than this, it is another load than was asked for, whatever the rate
_LEAST_SHARE_SENT = 0.99  # of the rate
_TIMER_S = 0.02  # what timers and other processes cost in a short run
_FEWEST_LAST = 10  # requests whose lag says whether the generator keeps up


async def run_open_loop(
    stream: StreamAnswer, questions: Sequence[str], due_times_s: Sequence[float]
) -> list[RequestRecord]:
    """Send requests at given times, and wait for all answers.

    Args:
        stream: What answers.
        questions: Asked in this order, and again from the first when they are used up.
        due_times_s: When requests are due, in seconds from now, ascending.

    Raises:
        RateNotSentError: This process could not send so fast; there is no result then.
    """
    clock = asyncio.get_running_loop().time
    begin_s = clock()
    tasks: list[asyncio.Task[RequestRecord]] = []
    try:
        for due_s, question in zip(due_times_s, cycle(questions), strict=False):
            await asyncio.sleep(max(0.0, begin_s + due_s - clock()))
            now_s = clock() - begin_s
            if now_s - due_s > _MOST_LAG_S:
                raise _not_sent(len(tasks) + 1, due_s, now_s)
            tasks.append(asyncio.create_task(note_request(stream, question, begin_s + due_s)))
        records = await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    refuse_unsent_rate(records, due_times_s)
    return records


def refuse_unsent_rate(records: Sequence[RequestRecord], due_times_s: Sequence[float]) -> None:
    """See to it that the rate was sent that was asked for.

    A moment of lag is made up for, and lies in the figures; a rate that is too high is never made up for.

    Args:
        records: All requests, in the order in which they were due.
        due_times_s: When they were due, in seconds from the beginning, ascending.

    Raises:
        RateNotSentError: The last ones were all sent too late.
    """
    last = records[-max(_FEWEST_LAST, len(records) // 10) :]
    lags_s = [record.sent_s - record.start_s for record in last]
    due_s = due_times_s[-1]
    if min(lags_s) > max(_TIMER_S, due_s * (1 / _LEAST_SHARE_SENT - 1)):
        raise _not_sent(len(records), due_s, due_s + lags_s[-1])


def _not_sent(requests: int, due_s: float, sent_s: float) -> RateNotSentError:
    return RateNotSentError(
        f"{requests} requests were due within {due_s:.2f} s{_rate(requests, due_s)}, and this generator "
        f"took {sent_s:.2f} s{_rate(requests, sent_s)} to send them: it cannot send this rate from here, "
        "so that there is no result; give a lower --rate, or run it on a machine of its own"
    )


def _rate(requests: int, seconds: float) -> str:
    return f" ({requests / seconds:.1f}/s)" if seconds > 0 else ""
