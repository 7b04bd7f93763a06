import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from triton_rag_client.load.records import RequestRecord, summarize


def test_figures_of_a_run_by_hand() -> None:
    records = [
        RequestRecord(0.0, 0.5, 1.0, 3),
        RequestRecord(1.0, 1.1, 4.0, 3),
        RequestRecord(0.5, 0.8, 2.5, 3),
        RequestRecord(2.0, None, 5.0, 0, "UnavailableError"),
    ]
    summary = summarize(records)
    assert (summary.requests, summary.errors, summary.seconds) == (3, 1, 5.0)
    assert summary.requests_per_s == pytest.approx(3 / 5)
    assert summary.p50_s == pytest.approx(2.0)
    assert summary.p95_s == pytest.approx(2.9)
    assert summary.p99_s == pytest.approx(2.98)
    assert summary.first_token_p50_s == pytest.approx(0.3)


def test_a_run_without_success_has_no_latency_but_a_rate_of_zero() -> None:
    summary = summarize([RequestRecord(0.0, None, 1.0, 0, "ServerError")])
    assert (summary.requests, summary.errors, summary.requests_per_s) == (0, 1, 0.0)
    assert math.isnan(summary.p50_s)
    assert math.isnan(summary.first_token_p50_s)


def test_no_request_at_all_is_no_error() -> None:
    assert summarize([]).requests_per_s == 0.0


@given(st.lists(st.floats(0.001, 100), min_size=1), st.floats(-1000, 1000))
def test_percentiles_are_ordered_whatever_the_clock_shows(latencies: list[float], clock_s: float) -> None:
    summary = summarize([RequestRecord(clock_s, clock_s, clock_s + latency, 1) for latency in latencies])
    assert summary.p50_s <= summary.p95_s <= summary.p99_s <= max(latencies) + 1e-6
