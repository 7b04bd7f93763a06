"""Fixed activation scales from calibration: min-max, percentile, entropy."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hypothesis_numpy
from triton_rag_export.graph.static_scales import BINS, AbsoluteHistogram

METHODS = ("min-max", "percentile", "entropy")
arrays = hypothesis_numpy.arrays(
    np.float32, hypothesis_numpy.array_shapes(max_dims=3, max_side=6), elements=st.floats(-100, 100, width=32)
)


def histogram_of(*parts: np.ndarray) -> AbsoluteHistogram:
    histogram = AbsoluteHistogram()
    for part in parts:
        histogram.add(part)
    return histogram


def error(values: np.ndarray, scale: float) -> float:
    """Mean squared error of `S * clip(round(x / S))`."""
    whole = np.clip(np.rint(values / scale), -127, 127)
    return float(np.square(whole * scale - values).mean())


@given(st.lists(arrays, min_size=1, max_size=5))
def test_min_max_tells_everything_apart_that_was_seen(parts: list[np.ndarray]) -> None:
    largest = max(float(np.abs(part).max()) for part in parts)

    scale = histogram_of(*parts).scale("min-max")

    assert scale == pytest.approx(largest / 127 if largest else 1.0)


@given(st.lists(arrays, min_size=1, max_size=5), st.floats(1, 100))
def test_a_percentile_leaves_out_as_many_as_it_may(parts: list[np.ndarray], percentile: float) -> None:
    values = np.abs(np.concatenate([part.ravel() for part in parts]).astype(np.float64))
    histogram = histogram_of(*parts)

    threshold = 127 * histogram.scale("percentile", percentile=percentile)

    if values.any():
        bin_width = 2 * values.max() / BINS  # after a doubling, the range is at most twice the largest value
        assert (values <= threshold + bin_width).mean() >= percentile / 100 - 1e-9
        assert (values < threshold - bin_width).mean() <= percentile / 100 + 1e-9


@pytest.mark.parametrize("method", METHODS)
def test_the_order_of_the_calls_does_not_matter_much(method) -> None:
    numbers = np.random.default_rng(3)
    parts = [numbers.normal(size=4000) * size for size in (0.1, 1.0, 3.0)]

    scales = [histogram_of(*order).scale(method) for order in (parts, parts[::-1])]

    assert scales[0] == pytest.approx(scales[1], rel=0.1)


def test_entropy_and_percentile_give_up_outliers_for_the_others() -> None:
    numbers = np.random.default_rng(1)
    values = np.concatenate([numbers.normal(size=100_000), [60.0, -75.0]])
    histogram = histogram_of(values)

    scales = {method: histogram.scale(method) for method in METHODS}

    assert scales["min-max"] == pytest.approx(75 / 127)
    for method in ("percentile", "entropy"):
        assert 2.5 / 127 < scales[method] < 8 / 127
        assert error(values[:-2], scales[method]) < 0.1 * error(values[:-2], scales["min-max"])


def test_entropy_keeps_everything_of_an_even_distribution() -> None:
    values = np.linspace(-4, 4, 100_001)

    assert histogram_of(values).scale("entropy") == pytest.approx(4 / 127, rel=0.05)


@pytest.mark.parametrize("method", METHODS)
def test_zeros_alone_have_scale_one(method) -> None:
    assert histogram_of(np.zeros((3, 4)), np.zeros(5)).scale(method) == 1.0
    assert AbsoluteHistogram().scale(method) == 1.0
    mixed = histogram_of(np.zeros(5), np.array([0.0, 2.0]))
    assert mixed.scale("min-max") == pytest.approx(2 / 127)


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="an activation is inf; allowed: finite values"):
        histogram_of(np.array([1.0, np.inf]))
    with pytest.raises(ValueError, match="an activation is nan"):
        histogram_of(np.array([np.nan, 1.0]))
    for percentile in (0.0, 100.5):
        with pytest.raises(ValueError, match=f"percentile is {percentile}; allowed: above 0 to 100"):
            histogram_of(np.ones(3)).scale("percentile", percentile=percentile)
