import base64

import pytest
from hdrh.histogram import HdrHistogram
from hypothesis import given, settings
from hypothesis import strategies as st
from triton_rag_client.load.histograms import distribution


@settings(max_examples=30)
@given(st.lists(st.floats(0.0001, 10_000), min_size=1, max_size=300))
def test_percentiles_are_those_of_the_values_to_a_thousandth(values: list[float]) -> None:
    found = distribution(values)
    for percent, value in ((50, found.p50), (90, found.p90), (99, found.p99)):
        ordered = sorted(values)
        # HdrHistogram rounds the rank to the nearest, instead of up.
        rank = max(1, int(percent / 100 * len(values) + 0.5))
        assert value == pytest.approx(ordered[rank - 1], rel=0.002, abs=2e-6)
    assert found.count == len(values)
    assert found.mean == pytest.approx(sum(values) / len(values))
    assert found.largest == max(values)
    in_order = (found.p50, found.p90, found.p95, found.p99, found.p99_9, found.largest)
    assert list(in_order) == sorted(in_order)


def test_histograms_of_two_runs_can_be_added_by_the_tools_of_hdrhistogram() -> None:
    first, second = distribution([0.1] * 99), distribution([2.0])
    base64.b64decode(first.histogram, validate=True)
    merged = HdrHistogram.decode(first.histogram)
    merged.decode_and_add(second.histogram)
    assert merged.get_total_count() == 100
    assert merged.get_value_at_percentile(50) == pytest.approx(100_000, rel=0.001)
    assert merged.get_max_value() == pytest.approx(2_000_000, rel=0.001)


def test_lengths_are_counted_as_they_are() -> None:
    found = distribution([7, 7, 31], units_per_value=1)
    assert (found.p50, found.largest, found.mean) == (7, 31, 15)


def test_a_value_beyond_ten_hours_counts_as_ten_hours_and_a_clock_that_went_back_as_zero() -> None:
    found = distribution([-0.001, 1e9])
    assert (found.count, found.largest) == (2, 1e9)
    assert found.p99 == pytest.approx(36_000, rel=0.002)
