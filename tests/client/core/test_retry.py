from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from triton_rag_client import ClientSetupError, DeadlineExceededError, RetryPolicy, UnavailableError
from triton_rag_client.core.retry import Deadline


@given(st.integers(1, 10_000), st.floats(0, 1))
def test_a_pause_is_never_longer_than_the_longest(attempt, drawn):
    policy = RetryPolicy(first_pause_s=0.2, longest_pause_s=5.0)
    assert 0 <= policy.pause_s(attempt, lambda: drawn) <= 5.0


def test_pauses_double_up_to_the_longest():
    policy = RetryPolicy(first_pause_s=0.5, longest_pause_s=3.0)
    assert [policy.pause_s(attempt, lambda: 1.0) for attempt in (1, 2, 3, 4, 5)] == [0.5, 1.0, 2.0, 3.0, 3.0]


@pytest.mark.parametrize("numbers", [(0, 0.1, 1.0), (1, -0.1, 1.0), (1, 2.0, 1.0), (1, 0.1, float("inf"))])
def test_an_impossible_policy_is_refused(numbers):
    with pytest.raises(ClientSetupError, match="is not possible"):
        RetryPolicy(*numbers)


def test_a_deadline_counts_down_and_then_tells_what_happened_last():
    now = [100.0]
    deadline = Deadline(2.0, clock=lambda: now[0])
    assert deadline.remaining_s() == 2.0
    now[0] = 101.5
    assert deadline.remaining_s() == 0.5
    now[0] = 102.0
    with pytest.raises(DeadlineExceededError, match=r"within 2 s \(the last attempt failed: full\)"):
        deadline.remaining_s(UnavailableError("full"))
