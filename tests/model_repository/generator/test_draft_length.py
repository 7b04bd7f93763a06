"""Guesses are verified where that makes more tokens a second, by what steps were seen to cost."""

import numpy as np
import pytest
from generation.draft_length import StepCost, draft_lengths


def cost_of(base: float, slope: float, steps: int = 200) -> StepCost:
    cost = StepCost()
    random = np.random.default_rng(1)
    for rows in random.integers(2, 40, steps):
        cost.observe(int(rows), (base + slope * rows) * random.uniform(0.95, 1.05))
    return cost


def test_the_line_is_learned_from_steps() -> None:
    seconds, slope = cost_of(0.010, 0.0005).relative(10)
    assert slope / seconds == pytest.approx(0.0005 / 0.015, rel=0.2)


def test_a_lasting_change_is_learned_too() -> None:
    cost = cost_of(0.010, 0.0005)
    for _ in range(400):
        for rows in (4, 30):
            cost.observe(rows, 10 * (0.010 + 0.0005 * rows))
    assert cost.relative(4)[0] == pytest.approx(0.12, rel=0.2)


def test_one_slow_step_changes_little() -> None:
    cost = cost_of(0.010, 0.0005)
    before = cost.relative(8)[0]
    cost.observe(8, 5.0)
    assert cost.relative(8)[0] == pytest.approx(before, rel=0.06)


def test_cheap_rows_and_good_guesses_are_used_in_full() -> None:
    assert draft_lengths([0.95], [8], 2, cost_of(0.010, 0.0002)) == [8]


def test_guesses_that_do_not_pay_are_not_sent() -> None:
    expensive = cost_of(0.0001, 0.001)
    assert draft_lengths([0.4], [8], 2, expensive) == [0]
    assert draft_lengths([0.01], [8], 2, cost_of(0.010, 0.0005)) == [0]


def test_the_likeliest_guesses_come_first() -> None:
    lengths = draft_lengths([0.9, 0.2, 0.6], [8, 8, 8], 6, cost_of(0.010, 0.0008))
    assert lengths[0] > lengths[2] > lengths[1]


def test_nobody_drafts_more_than_allowed() -> None:
    assert draft_lengths([0.99, 0.99], [0, 3], 4, cost_of(0.010, 0.0001)) == [0, 3]
    assert draft_lengths([], [], 0, StepCost()) == []
