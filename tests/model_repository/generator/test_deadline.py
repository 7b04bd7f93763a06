"""The time a request may take: how it is said, and that it ends an answer wherever it is."""

from collections.abc import Callable

import pytest
from generation import AnswerCollector, DeadlineError, Engine, GenerationOptions, OptionError, read_timeout_s
from model_repository.generator.conftest import random_prompt, run_until_idle


class SteppedClock:
    """A clock that stands still until it is set."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> SteppedClock:
    return SteppedClock()


def submitted(engine: Engine, timeout_s: float | None, *, length: int = 5) -> AnswerCollector:
    collector = AnswerCollector()
    engine.submit(random_prompt(length), GenerationOptions(max_tokens=12), collector, timeout_s)
    return collector


@pytest.mark.parametrize(
    ("timeout_us", "parameters", "timeout_s"),
    [
        (0, "", None),
        (0, "{}", None),
        (0, '{"timeout": 0}', None),
        (2_500_000, "{}", 2.5),
        (0, '{"timeout": 1500000, "other": "x"}', 1.5),
        (1_000_000, '{"timeout": 9000000}', 1.0),
    ],
)
def test_a_timeout_is_read_from_the_request_or_its_parameters(
    timeout_us: int, parameters: str, timeout_s: float | None
) -> None:
    assert read_timeout_s(timeout_us, parameters) == timeout_s


@pytest.mark.parametrize("value", ['"soon"', "-1", "1.5", "true", "null", "[1]"])
def test_a_timeout_that_is_no_number_of_microseconds_is_refused(value: str) -> None:
    with pytest.raises(OptionError, match=r"timeout is .* allowed: a whole number of microseconds"):
        read_timeout_s(0, f'{{"timeout": {value}}}')


def test_an_answer_out_of_time_frees_its_slot_within_one_step(
    make_engine: Callable[..., Engine], clock: SteppedClock
) -> None:
    engine = make_engine(slots=1, clock=clock)
    late, waiting = submitted(engine, 2.0), submitted(engine, None)
    engine.run_step()
    engine.run_step()
    clock.now_s += 2.0
    engine.run_step()
    assert isinstance(late.error, DeadlineError)
    assert "within its timeout of 2 s, after 2 tokens" in str(late.error)
    assert engine.in_flight == 1
    run_until_idle(engine)
    assert waiting.answer().answer_tokens == 12


def test_waiting_for_a_slot_counts(make_engine: Callable[..., Engine], clock: SteppedClock) -> None:
    engine = make_engine(slots=1, clock=clock)
    running, waiting = submitted(engine, None), submitted(engine, 2.0)
    engine.run_step()
    clock.now_s += 3.0
    run_until_idle(engine)
    assert isinstance(waiting.error, DeadlineError)
    assert running.answer().answer_tokens == 12


def test_an_answer_in_time_knows_nothing_of_its_deadline(
    make_engine: Callable[..., Engine], clock: SteppedClock
) -> None:
    engine = make_engine(clock=clock)
    collector = submitted(engine, 2.0)
    clock.now_s += 1.9
    run_until_idle(engine)
    assert collector.answer().answer_tokens == 12


def test_who_cancelled_is_not_told_of_a_deadline(
    make_engine: Callable[..., Engine], clock: SteppedClock
) -> None:
    engine = make_engine(clock=clock)
    collector = submitted(engine, 2.0)
    engine.run_step()
    collector.cancel()
    clock.now_s += 9.0
    engine.run_step()
    assert not isinstance(collector.error, DeadlineError)
    assert engine.in_flight == 0
