from collections.abc import AsyncGenerator

import pytest
from triton_rag_client.errors import UnavailableError
from triton_rag_client.load.closed_loop import run_closed_loop
from triton_rag_client.results import Delta
from virtual_services import QueueService, busy
from virtual_time import run_virtually


def test_every_worker_asks_at_least_once_and_all_is_noted() -> None:
    async def run():
        return await run_closed_loop(QueueService(3, busy(0.2)).stream, ["a"], concurrency=3)

    records = run_virtually(run())
    assert [record.latency_s for record in records] == pytest.approx([0.2] * 3)
    assert [record.error for record in records] == [None] * 3


def test_so_many_requests_run_at_any_time_for_as_long_as_it_should() -> None:
    async def run():
        return await run_closed_loop(QueueService(4, busy(0.3)).stream, ["a"], concurrency=2, seconds=1.0)

    records = run_virtually(run())
    # 0.0, 0.3, 0.6 and 0.9 are before the end: four each, and the last is waited for.
    assert sorted(record.start_s for record in records) == pytest.approx(
        [0.0, 0.0, 0.3, 0.3, 0.6, 0.6, 0.9, 0.9]
    )
    assert max(record.end_s for record in records) == pytest.approx(1.2)


def test_questions_are_asked_in_turn_and_again_from_the_first() -> None:
    asked: list[str] = []

    async def stream(question: str) -> AsyncGenerator[Delta]:
        asked.append(question)
        async for delta in QueueService(1, busy(0.4)).stream(question):
            yield delta

    async def run():
        return await run_closed_loop(stream, ["a", "b"], concurrency=1, seconds=1.0)

    run_virtually(run())
    assert asked == ["a", "b", "a"]


def test_a_request_that_fails_is_noted_with_its_kind() -> None:
    async def stream(question: str) -> AsyncGenerator[Delta]:
        raise UnavailableError("full")
        yield

    async def run():
        return await run_closed_loop(stream, ["a"], concurrency=1)

    (record,) = run_virtually(run())
    assert (record.error, record.text_times_s) == ("UnavailableError", ())
