"""Ratios of paired rounds against scipy, and whether their intervals hold what they should."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from triton_rag_client.load.ratios import paired_ratio, student_quantile

figures = st.lists(st.tuples(st.floats(1e-3, 1e3), st.floats(1e-3, 1e3)), min_size=2, max_size=12)


@pytest.mark.parametrize("freedom", [1, 2, 3, 4, 5, 8, 9, 30, 101])
@pytest.mark.parametrize("probability", [0.5, 0.75, 0.95, 0.975, 0.995])
def test_students_quantile_is_that_of_scipy(probability: float, freedom: int) -> None:
    expected = float(stats.t.ppf(probability, freedom))
    assert student_quantile(probability, freedom) == pytest.approx(expected, rel=1e-9, abs=1e-12)


@pytest.mark.filterwarnings("ignore:Precision loss")  # scipy's, of rounds that all have one ratio
@given(figures)
def test_the_interval_is_that_of_scipys_paired_test_of_logarithms(
    pairs: list[tuple[float, float]],
) -> None:
    firsts, seconds = zip(*pairs, strict=True)
    found = paired_ratio(firsts, seconds)
    test = stats.ttest_rel([math.log(value) for value in seconds], [math.log(value) for value in firsts])
    interval = test.confidence_interval(0.95)
    assert math.log(found.low) == pytest.approx(interval.low, rel=1e-6, abs=1e-6)
    assert math.log(found.high) == pytest.approx(interval.high, rel=1e-6, abs=1e-6)


@given(figures)
def test_servers_that_change_places_turn_the_ratio_over(pairs: list[tuple[float, float]]) -> None:
    firsts, seconds = zip(*pairs, strict=True)
    found, turned = paired_ratio(firsts, seconds), paired_ratio(seconds, firsts)
    assert found.ratio * turned.ratio == pytest.approx(1)
    assert found.low * turned.high == pytest.approx(1)
    assert found.holds_one == turned.holds_one


@pytest.mark.parametrize("rounds", [3, 5, 10])
def test_nineteen_of_twenty_intervals_hold_the_truth_however_slow_the_machine_was(rounds: int) -> None:
    draw = random.Random(rounds)
    runs, held = 2000, 0
    for _ in range(runs):
        moods = [draw.lognormvariate(0, 1) for _ in range(rounds)]  # of the machine: both servers suffer
        firsts = [mood * draw.lognormvariate(0, 0.1) for mood in moods]
        seconds = [3 * mood * draw.lognormvariate(0, 0.1) for mood in moods]
        found = paired_ratio(firsts, seconds)
        held += found.low <= 3 <= found.high
        assert found.high / found.low < 100, "the machine's mood does not widen it"
    assert held / runs == pytest.approx(0.95, abs=0.02)  # four standard deviations of the share


def test_a_difference_within_the_noise_is_no_difference() -> None:
    assert paired_ratio([1.0, 2.0, 3.0], [1.1, 1.9, 3.2]).holds_one
    clear = paired_ratio([1.0, 2.0, 3.0], [2.0, 4.1, 5.9])
    assert not clear.holds_one
    assert clear.low < 2 < clear.high


def test_one_round_is_a_ratio_without_an_interval() -> None:
    found = paired_ratio([2.0], [3.0])
    assert (found.ratio, found.rounds) == (pytest.approx(1.5), 1)
    assert not found.has_interval
    assert not found.holds_one


@pytest.mark.parametrize("missing", [0.0, math.nan, math.inf])
def test_a_round_without_the_figure_leaves_no_ratio_and_is_not_left_out(
    missing: float,
) -> None:
    assert math.isnan(paired_ratio([1.0, 1.0], [2.0, missing]).ratio)
    assert math.isnan(paired_ratio([], []).ratio)


def test_values_of_other_rounds_are_refused() -> None:
    with pytest.raises(ValueError, match="1 values and 2"):
        paired_ratio([1.0], [1.0, 2.0])
