"""A run over time: what was sent, answered and lost in each interval, and how long the answers took."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from triton_rag_client.load.records import RequestRecord

__all__ = ["Timeline", "timeline"]

_MOST_INTERVALS = 60
_WIDTHS = (1.0, 2.0, 5.0)


@dataclass(frozen=True, slots=True)
class Timeline:
    """A run in intervals of the same length; all series have one value an interval.

    Attributes:
        interval_s: Length of an interval; the first begins when the first request should have been sent.
        sent: Requests that should have been sent in it.
        answered: Requests whose last response came in it.
        failed: Requests that failed in it.
        latency_p50_s: Median latency of those answered in it; NaN where there are none.
        latency_largest_s: The largest one; NaN where there are none.
    """

    interval_s: float
    sent: tuple[int, ...] = ()
    answered: tuple[int, ...] = ()
    failed: tuple[int, ...] = ()
    latency_p50_s: tuple[float, ...] = ()
    latency_largest_s: tuple[float, ...] = ()


def timeline(records: Sequence[RequestRecord]) -> Timeline:
    """A run over time, in at most 60 intervals of 1, 2 or 5 times a power of ten seconds.

    Args:
        records: Its requests.
    """
    if not records:
        return Timeline(1.0)
    begin_s = min(record.start_s for record in records)
    seconds = max(record.end_s for record in records) - begin_s
    interval_s = _interval_s(seconds)
    count = int(seconds / interval_s) + 1
    sent, failed = [0] * count, [0] * count
    latencies_s: list[list[float]] = [[] for _ in range(count)]
    for record in records:
        sent[int((record.start_s - begin_s) / interval_s)] += 1
        end = int((record.end_s - begin_s) / interval_s)
        if record.error is None:
            latencies_s[end].append(record.latency_s)
        else:
            failed[end] += 1
    return Timeline(
        interval_s,
        tuple(sent),
        tuple(map(len, latencies_s)),
        tuple(failed),
        tuple(_median(values) for values in latencies_s),
        tuple(max(values, default=math.nan) for values in latencies_s),
    )


def _interval_s(seconds: float) -> float:
    """A tenth of a second at least: shorter intervals of a short run would hold one request or none."""
    power = 0.1
    while True:
        for width in _WIDTHS:
            if seconds / (width * power) < _MOST_INTERVALS:
                return round(width * power, 9)
        power *= 10


def _median(values: list[float]) -> float:
    """The nearest-rank one, which is a latency that some request had."""
    return sorted(values)[(len(values) - 1) // 2] if values else math.nan
