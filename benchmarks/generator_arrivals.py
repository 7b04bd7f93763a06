"""Requests that arrive by chance: continuous batching against static batching of the same graphs.

Static batching takes whoever waits, up to the number of slots, runs them together until the longest answer
has ended, and takes the next. Both use the same engine, so that the graphs, the kernels and the cost of a row
are the same; answers that end early cost the static batch nothing, which favours it.

The figure is the highest rate of Poisson arrivals at which the 95th percentile of the time from arrival to
complete answer stays within a target.
"""

import random
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from generator_peers.contender import SLOTS

if TYPE_CHECKING:
    from generator_peers.triton_rag import EngineContender, TimedSink

Request = tuple[list[int], int]
Arrival = tuple[float, list[int], int]

TARGET_TO_MEDIAN = 4.0
"""The target, as a multiple of the median time of a request that runs alone."""


def schedule(requests: Sequence[Request], rate_qps: float, seed: int) -> list[Arrival]:
    """Requests with times of arrival, in seconds, by a Poisson process."""
    clock, chance = 0.0, random.Random(seed)
    arrivals = []
    for prompt, new_tokens in requests:
        clock += chance.expovariate(rate_qps)
        arrivals.append((clock, prompt, new_tokens))
    return arrivals


def play(
    contender: "EngineContender", arrivals: Sequence[Arrival], *, batched: bool
) -> list[tuple[float, float]]:
    """Answer requests as they arrive.

    Args:
        contender: ours.
        arrivals: in order of time.
        batched: whether in static batches.

    Returns:
        When each arrived and when its answer was complete, in seconds.
    """
    start = time.perf_counter()
    if batched:
        return _play_batches(contender, arrivals, start)
    sinks: list[TimedSink] = []
    for at, prompt, new_tokens in arrivals:
        _wait_until(start + at)
        sinks.append(contender.submit(prompt, new_tokens))
    for sink in sinks:
        sink.wait()
    return [(at, sink.end - start) for (at, _, _), sink in zip(arrivals, sinks, strict=True)]


def _play_batches(
    contender: "EngineContender", arrivals: Sequence[Arrival], start: float
) -> list[tuple[float, float]]:
    times: list[tuple[float, float]] = []
    while len(times) < len(arrivals):
        waiting = list(arrivals[len(times) :])
        _wait_until(start + waiting[0][0])
        now = time.perf_counter() - start
        batch = [arrival for arrival in waiting if arrival[0] <= now][:SLOTS]
        for sink in [contender.submit(prompt, new_tokens) for _, prompt, new_tokens in batch]:
            sink.wait()
        end = time.perf_counter() - start
        times += [(at, end) for at, _, _ in batch]
    return times


def highest_rate(p95_s: Callable[[float], float], low: float, target_s: float, steps: int) -> float:
    """The highest rate whose p95 is within the target, by bisection of its logarithm between 1 and 16 × low.

    Returns:
        The rate in requests a second; 0 if not even the lowest will do.
    """
    if p95_s(low) > target_s:
        return 0.0
    best, beyond = low, 16 * low
    for _ in range(steps):
        rate = float((best * beyond) ** 0.5)
        if p95_s(rate) <= target_s:
            best = rate
        else:
            beyond = rate
    return best


def percentile_95(values: Sequence[float]) -> float:
    """The 95th percentile: the value that 95 of 100 do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))]


def _wait_until(moment: float) -> None:
    time.sleep(max(0.0, moment - time.perf_counter()))
