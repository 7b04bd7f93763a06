"""The engine on its own thread, asked from many."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from generation import AnswerCollector, CollectedAnswer, Engine, EngineClosedError, StepError
from model_repository.generator.conftest import run_until_idle
from model_repository.generator.torch_adapter import TorchAdapter

Submit = Callable[..., AnswerCollector]


@pytest.fixture
def started(make_engine: Callable[..., Engine]) -> Iterator[Engine]:
    engine = make_engine(max_queue=100)
    engine.start()
    yield engine
    engine.close()


def test_many_threads_get_the_answers_that_each_would_get_alone(
    started: Engine, make_engine: Callable[..., Engine], submit: Submit
) -> None:
    lengths = [3, 8, 21, 34, 50] * 5

    def answer(length: int) -> CollectedAnswer:
        return submit(started, length).answer(timeout_s=60)

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(answer, lengths))
    started.close()
    by_hand = make_engine()
    for length, got in zip(lengths[:5], answers[:5], strict=True):
        alone = submit(by_hand, length)
        run_until_idle(by_hand)
        assert got == alone.answer()
    assert answers[:5] * 5 == answers


def test_the_thread_outlives_a_failed_step(started: Engine, adapter: TorchAdapter, submit: Submit) -> None:
    adapter.failure = ValueError("a bad step")
    with pytest.raises(StepError, match="a bad step"):
        submit(started, 5).answer(timeout_s=60)
    assert submit(started, 5).answer(timeout_s=60).answer_tokens == 12


def test_closing_ends_the_thread_and_every_answer(started: Engine, submit: Submit) -> None:
    collectors = [submit(started, 10, max_tokens=60) for _ in range(20)]
    started.close()
    assert all(collector.has_ended for collector in collectors)
    assert all(
        collector.error is None or isinstance(collector.error, EngineClosedError) for collector in collectors
    )
    assert started.in_flight == 0
