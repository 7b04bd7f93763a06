"""The steps without any wire: the test does what a driver would, on a clock of its own."""

from __future__ import annotations

import pytest
from triton_rag_client import (
    DeadlineExceededError,
    InvalidRequestError,
    RetryPolicy,
    ServerError,
    UnavailableError,
)
from triton_rag_client.core.exchange import Pause, Send, send
from triton_rag_client.core.retry import Deadline

POLICY = RetryPolicy(attempts=3, first_pause_s=1.0, longest_pause_s=8.0)


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def steps_of(clock: Clock, *, timeout_s: float = 100.0, read=lambda reply: reply):
    return send(lambda left_s: f"{left_s:g} s left", read, Deadline(timeout_s, clock), POLICY)


def test_a_reply_ends_the_steps(clock):
    steps = steps_of(clock)
    assert next(steps) == Send("100 s left", 100.0)
    with pytest.raises(StopIteration) as done:
        steps.send("reply")
    assert done.value.value == "reply"


def test_each_attempt_is_told_how_much_time_is_left(clock):
    steps = steps_of(clock)
    next(steps)
    clock.now = 30.0
    assert isinstance(steps.throw(UnavailableError("full")), Pause)
    clock.now = 40.0
    assert steps.send(None) == Send("60 s left", 60.0)


def test_a_reply_that_says_unavailable_is_as_good_as_an_error(clock):
    replies = iter([UnavailableError("full"), None])

    def read(reply):
        if error := next(replies):
            raise error
        return reply

    steps = steps_of(clock, read=read)
    next(steps)
    assert isinstance(steps.send("503"), Pause)
    assert isinstance(steps.send(None), Send)
    with pytest.raises(StopIteration):
        steps.send("200")


def test_pauses_stay_below_their_limits_and_attempts_are_counted(clock):
    steps = steps_of(clock)
    next(steps)
    for limit_s in (1.0, 2.0):
        assert 0 <= steps.throw(UnavailableError("full")).seconds <= limit_s
        steps.send(None)
    with pytest.raises(UnavailableError, match="really"):
        steps.throw(UnavailableError("really"))


@pytest.mark.parametrize("error", [ServerError("x"), InvalidRequestError("x")])
def test_other_errors_end_the_steps(clock, error):
    steps = steps_of(clock)
    next(steps)
    with pytest.raises(type(error)):
        steps.throw(error)


def test_no_attempt_begins_after_the_deadline(clock):
    steps = steps_of(clock, timeout_s=10.0)
    next(steps)
    clock.now = 9.0
    pause = steps.throw(UnavailableError("full"))
    clock.now = 10.0
    assert isinstance(pause, Pause)
    with pytest.raises(DeadlineExceededError, match="the last attempt failed: full"):
        steps.send(None)


def test_a_shell_that_runs_out_of_time_ends_the_steps_with_the_given_timeout(clock):
    steps = steps_of(clock, timeout_s=10.0)
    next(steps)
    clock.now = 10.0
    with pytest.raises(DeadlineExceededError, match="within 10 s"):
        steps.throw(DeadlineExceededError("the time is up"))


def test_somebody_elses_deadline_is_told_in_their_words(clock):
    steps = steps_of(clock, timeout_s=10.0)
    next(steps)
    clock.now = 1.0
    with pytest.raises(DeadlineExceededError, match=r"^the proxy gave up$"):
        steps.throw(DeadlineExceededError("the proxy gave up"))
