import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from triton_rag_client.load import RequestRecord
from triton_rag_client.load.timeline import Timeline, timeline


def test_a_run_by_hand() -> None:
    run = timeline(
        [
            RequestRecord(10.0, 10.0, (), 10.05),
            RequestRecord(10.0, 10.02, (), 10.08),
            RequestRecord(10.12, 10.12, (), 10.35),
            RequestRecord(10.21, 10.21, (), 10.39, error="UnavailableError"),
        ]
    )
    assert (run.interval_s, run.sent, run.answered, run.failed) == (
        0.1,
        (2, 1, 1, 0),
        (2, 0, 0, 1),
        (0, 0, 0, 1),
    )
    assert run.latency_p50_s == pytest.approx((0.05, math.nan, math.nan, 0.23), nan_ok=True)
    assert run.latency_largest_s == pytest.approx((0.08, math.nan, math.nan, 0.23), nan_ok=True)


def test_without_requests_it_is_empty() -> None:
    assert timeline([]) == Timeline(1.0)


@given(
    st.lists(
        st.tuples(st.floats(0, 1e5), st.floats(0, 1e4), st.sampled_from((None, "ServerError"))), min_size=1
    )
)
def test_no_request_is_lost_and_there_are_few_intervals(
    requests: list[tuple[float, float, str | None]],
) -> None:
    run = timeline(
        [RequestRecord(start, start, (), start + took, error=error) for start, took, error in requests]
    )
    failed = sum(error is not None for _, _, error in requests)
    assert (sum(run.sent), sum(run.answered), sum(run.failed)) == (
        len(requests),
        len(requests) - failed,
        failed,
    )
    assert len(run.sent) <= 60
