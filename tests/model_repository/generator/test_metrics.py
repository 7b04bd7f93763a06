"""What an engine does is published as numbers that a server can show."""

import dataclasses
from collections.abc import Callable

import pytest
from generation import AnswerCollector, Engine
from generation.counters import Counters
from generation.metrics import COUNTERS, GAUGES, PREFIX, MetricsPublisher
from model_repository.generator.conftest import run_until_idle

Submit = Callable[..., AnswerCollector]


class Family:
    """Keeps what Triton's class of the same shape would send."""

    COUNTER, GAUGE = "counter", "gauge"
    published: dict[str, float]

    def __init__(self, name: str, description: str, kind: str) -> None:
        assert description
        self.name, self.kind = name, kind
        type(self).published[name] = 0.0

    def Metric(self, labels: dict[str, str]) -> "Family":  # noqa: N802  (Triton's name)
        return self

    def increment(self, value: float) -> None:
        assert self.kind == self.COUNTER
        assert value > 0
        type(self).published[self.name] += value

    def set(self, value: float) -> None:
        assert self.kind == self.GAUGE
        type(self).published[self.name] = value


@pytest.fixture
def family() -> type[Family]:
    return type("FreshFamily", (Family,), {"published": {}})


def test_every_counter_of_the_engine_is_published() -> None:
    assert set(COUNTERS) == {field.name for field in dataclasses.fields(Counters)}


def test_what_the_engine_did_is_published_once(engine: Engine, submit: Submit, family: type[Family]) -> None:
    publisher = MetricsPublisher(engine, family, interval_s=3600)
    submit(engine, 9, max_tokens=6)
    submit(engine, 20, max_tokens=4)
    run_until_idle(engine)
    publisher.publish()
    publisher.publish()
    publisher.close()
    published = {name.removeprefix(PREFIX): value for name, value in family.published.items()}
    assert published["prompt_tokens_total"] == 29
    assert published["answer_tokens_total"] == 10
    assert published["first_tokens_total"] == 2
    assert published["later_tokens_total"] == 8
    assert published["slots"] == engine.settings.slots
    assert published["running_requests"] == published["waiting_requests"] == 0
    assert len(published) == len(COUNTERS) + len(GAUGES)


def test_gauges_follow_who_runs_and_who_waits(
    make_engine: Callable[..., Engine], submit: Submit, family: type[Family]
) -> None:
    engine = make_engine(slots=1)
    publisher = MetricsPublisher(engine, family, interval_s=3600)
    for _ in range(3):
        submit(engine, 9)
    engine.run_step()
    publisher.publish()
    publisher.close()
    assert family.published[f"{PREFIX}running_requests"] == 1
    assert family.published[f"{PREFIX}waiting_requests"] == 2


def test_times_are_measured_from_the_request_on(make_engine: Callable[..., Engine], submit: Submit) -> None:
    seconds = iter(range(1000))
    engine = make_engine(clock=lambda: float(next(seconds)), max_draft_tokens=0)
    submit(engine, 9, max_tokens=5)
    run_until_idle(engine)
    counters = engine.counters
    assert (counters.first_tokens, counters.later_tokens) == (1, 4)
    assert counters.first_token_seconds > 0
    assert counters.later_token_seconds >= counters.later_tokens
