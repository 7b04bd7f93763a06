"""On a clock of their own, so that every figure is arithmetic."""

import asyncio
from collections.abc import AsyncGenerator

import pytest
from triton_rag_client.errors import RateNotSentError
from triton_rag_client.load.arrivals import arrival_times
from triton_rag_client.load.closed_loop import run_closed_loop
from triton_rag_client.load.open_loop import run_open_loop
from triton_rag_client.load.records import RequestRecord
from triton_rag_client.load.summary import summarize
from triton_rag_client.results import Delta
from virtual_services import QueueService, StallingService, busy, delta
from virtual_time import VirtualTimeLoop, run_virtually

SECONDS = 50
ANSWER_S, STALL_S = 0.005, 0.1
RATE_PER_S = 100


def open_loop(stream, rate_per_s: float, seconds: float) -> list[RequestRecord]:
    async def run():
        return await run_open_loop(stream(), ["a"], arrival_times("constant", rate_per_s, seconds))

    return run_virtually(run())


def stalling():
    return StallingService(ANSWER_S, stall_begin_s=0.4951, stall_s=STALL_S).stream


@pytest.mark.parametrize("field", ["p50", "p90", "p95", "p99", "p99_9"])
def test_a_stall_of_a_tenth_of_each_second_has_its_share_of_an_open_loop(field: str) -> None:
    summary = summarize(open_loop(stalling, RATE_PER_S, SECONDS))
    assert summary.requests == SECONDS * RATE_PER_S
    # What is due x seconds before the end of the stall waits x: a share x of all requests waits less than x
    # and 0.1 - x more. The percentile q is the wait that a share 1 - q of all requests exceeds.
    share_above = 1 - float(field[1:].replace("_", ".")) / 100
    expected_s = ANSWER_S + max(0.0, STALL_S - share_above)
    assert getattr(summary.latency_s, field) == pytest.approx(expected_s, abs=1 / RATE_PER_S)


def test_the_same_stall_hides_from_the_p99_of_a_closed_loop() -> None:
    async def run():
        return await run_closed_loop(stalling(), ["a"], concurrency=1, seconds=SECONDS)

    records = run_virtually(run())
    slow = [record for record in records if record.latency_s > 2 * ANSWER_S]
    # One request waits for the end of each stall; in the other nine tenths of a second 180 are answered.
    assert len(slow) == SECONDS
    assert len(slow) / len(records) == pytest.approx(1 / 181, rel=0.01)
    latency_s = summarize(records).latency_s
    assert latency_s.p99 == pytest.approx(ANSWER_S, rel=0.001)
    assert latency_s.p99_9 == pytest.approx(STALL_S + ANSWER_S, rel=0.1)


def test_requests_are_sent_when_due_whatever_became_of_those_before() -> None:
    records = open_loop(lambda: QueueService(1, busy(1.0)).stream, 10, 1)
    assert [record.sent_s for record in records] == pytest.approx([number / 10 for number in range(10)])
    # The queue grows by 0.9 s with each request.
    assert [record.latency_s for record in records] == pytest.approx([1 + 0.9 * n for n in range(10)])


def test_what_the_generator_sends_late_counts_as_slow_and_as_lag() -> None:
    async def stream(question: str) -> AsyncGenerator[Delta]:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualTimeLoop)
        if loop.time() == pytest.approx(0.5):
            loop.now_s += 0.25  # this process is busy with something else
        await asyncio.sleep(0.01)
        yield delta("answer")

    records = open_loop(lambda: stream, 10, 2)  # and no refusal: it caught up
    late = {round(record.start_s, 3): record for record in records if record.sent_s - record.start_s > 1e-6}
    assert sorted(late) == pytest.approx([0.6, 0.7])
    assert late[0.6].latency_s == pytest.approx(0.16)
    assert summarize(records).lag_s.largest == pytest.approx(0.15)


@pytest.mark.parametrize(("rate_per_s", "seconds"), [(100, 0.5), (100, 1000)])
def test_a_rate_that_cannot_be_sent_is_refused_with_the_numbers(rate_per_s: float, seconds: float) -> None:
    async def stream(question: str) -> AsyncGenerator[Delta]:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualTimeLoop)
        loop.now_s += 0.02  # each request costs this process so much: it can send 50 a second
        await asyncio.sleep(0)
        yield delta("answer")

    with pytest.raises(RateNotSentError, match=r"\((100|101|102)\.\d/s\).*took .* s \(5\d\.\d/s\)"):
        open_loop(lambda: stream, rate_per_s, seconds)
