import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from triton_rag_client.errors import InvalidRequestError
from triton_rag_client.load.arrivals import arrival_times


def test_constant_arrivals_are_at_even_distances() -> None:
    assert arrival_times("constant", 4, 1) == [0.0, 0.25, 0.5, 0.75]
    assert len(arrival_times("constant", 0.7, 10)) == 7
    assert arrival_times("constant", 0.01, 1) == [0.0]


def test_poisson_arrivals_have_exponential_distances() -> None:
    times_s = arrival_times("poisson", 50, 1000, seed=3)
    distances_s = [later - earlier for earlier, later in pairwise(times_s)]
    count = len(distances_s)
    mean_s = sum(distances_s) / count
    # Of n distances the mean has the deviation 1 / sqrt(n) of itself, and a share 1/e is above the mean.
    assert mean_s == pytest.approx(1 / 50, rel=4 / math.sqrt(count))
    assert sum(each > mean_s for each in distances_s) / count == pytest.approx(1 / math.e, abs=0.01)


def test_the_seed_decides_about_random_arrivals() -> None:
    assert arrival_times("poisson", 5, 10, seed=1) == arrival_times("poisson", 5, 10, seed=1)
    assert arrival_times("poisson", 5, 10, seed=1) != arrival_times("poisson", 5, 10, seed=2)


@given(st.sampled_from(["constant", "poisson"]), st.floats(0.001, 500), st.floats(0.001, 20))
def test_times_ascend_and_stay_within_the_run(arrivals, rate_per_s: float, seconds: float) -> None:
    times_s = arrival_times(arrivals, rate_per_s, seconds)
    assert times_s == sorted(times_s)
    assert len(times_s) >= 1
    assert all(time_s < seconds * (1 + 1e-9) for time_s in times_s[1:])


@pytest.mark.parametrize("rate_per_s", [0, -1, math.inf, math.nan])
def test_a_rate_that_is_none_is_refused(rate_per_s: float) -> None:
    with pytest.raises(InvalidRequestError, match=r"the rate .* must be a number above 0"):
        arrival_times("constant", rate_per_s, 1)
