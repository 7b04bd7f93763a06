import math

import pytest
from triton_rag_client.load import RequestRecord, parse_slo, summarize


def answered(start_s: float, first_s: float, end_s: float, tokens: int = 2) -> RequestRecord:
    return RequestRecord(start_s, start_s, (first_s, end_s), end_s, 100, tokens)


def test_figures_of_a_run_by_hand() -> None:
    records = [
        answered(0.0, 0.5, 1.0),
        answered(1.0, 1.1, 4.0, tokens=3),
        answered(0.5, 0.8, 2.5),
        RequestRecord(2.0, 2.25, (), 5.0, error="UnavailableError"),
    ]
    summary = summarize(records)
    assert (summary.requests, summary.errors, summary.failed) == (3, {"UnavailableError": 1}, 1)
    assert (summary.seconds, summary.goodput_per_s) == (5.0, None)
    assert summary.requests_per_s == pytest.approx(3 / 5)
    assert summary.tokens_per_s == pytest.approx(7 / 5)
    latency_s = summary.latency_s
    assert (latency_s.count, latency_s.largest) == (3, 3.0)
    assert (latency_s.p50, latency_s.p99_9, latency_s.mean) == pytest.approx((2.0, 3.0, 2.0), rel=0.001)
    assert summary.first_token_s.p50 == pytest.approx(0.3, rel=0.001)
    assert summary.between_tokens_s.p50 == pytest.approx(1.7, rel=0.001)
    assert summary.lag_s.largest == pytest.approx(0.25)
    assert (summary.prompt_tokens.p50, summary.answer_tokens.largest) == (100, 3)


def test_goodput_is_the_rate_of_requests_that_met_every_target() -> None:
    records = [
        answered(0.0, 0.1, 0.4),
        answered(0.0, 0.1, 0.6),  # too slow
        answered(0.0, 0.3, 0.4),  # its first text is
        RequestRecord(0.0, 0.0, (0.1,), 2.0, error="ServerError"),
    ]
    assert summarize(records, parse_slo("p95<500ms,ttft<200ms")).goodput_per_s == pytest.approx(1 / 2)


def test_a_run_without_success_has_no_latency_but_a_rate_of_zero() -> None:
    summary = summarize([RequestRecord(0.0, 0.0, (), 1.0, error="ServerError")])
    assert (summary.requests, summary.failed, summary.requests_per_s) == (0, 1, 0.0)
    assert math.isnan(summary.latency_s.p50)
    assert math.isnan(summary.first_token_s.p50)


def test_tokens_that_a_generator_does_not_tell_are_not_made_up() -> None:
    summary = summarize([RequestRecord(0.0, 0.0, (0.5, 1.0), 1.0)])
    assert math.isnan(summary.tokens_per_s)
    assert summary.answer_tokens.count == 0


def test_no_request_at_all_is_no_error() -> None:
    assert summarize([]).requests_per_s == 0.0
