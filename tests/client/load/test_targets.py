import math

import pytest
from triton_rag_client.errors import InvalidRequestError
from triton_rag_client.load import RequestRecord, Slo, Target, parse_slo


def answered(latency_s: float, first_s: float = 0.01, tokens: int = 1) -> RequestRecord:
    return RequestRecord(0.0, 0.0, (first_s, latency_s), latency_s, answer_tokens=tokens)


FAILED = RequestRecord(0.0, 0.0, (0.01,), 0.02, error="ServerError")


def test_targets_are_read_as_written() -> None:
    assert parse_slo("p95<500ms, TTFT<0.2s,tpot_p50<800us,p99.9<2s") == Slo(
        (
            Target("latency", 95, 0.5),
            Target("ttft", 95, 0.2),
            Target("tpot", 50, pytest.approx(0.0008)),
            Target("latency", 99.9, 2.0),
        )
    )
    assert str(parse_slo("p95<0.5s,ttft<200ms")) == "p95<500ms,ttft_p95<200ms"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "p95",
        "p95<500",
        "p95>500ms",
        "p95<0ms",
        "p95<-1s",
        "p20<1s",
        "p100<1s",
        "p9.9.9<1s",
        "itl<1s",
        "p95<1s;",
    ],
)
def test_what_is_no_target_is_refused_with_what_is(text: str) -> None:
    with pytest.raises(InvalidRequestError, match=r"--slo has .*, which is no target .*: allowed are p50 to"):
        parse_slo(text)


@pytest.mark.parametrize(("slow", "is_kept"), [(0, True), (1, True), (2, False)])
def test_a_percentile_allows_its_share_of_slow_requests(slow: int, is_kept: bool) -> None:
    records = [answered(0.1)] * (20 - slow) + [answered(0.6)] * slow
    assert parse_slo("p95<500ms").is_kept(records) is is_kept


def test_the_limit_itself_is_too_slow() -> None:
    assert not parse_slo("p95<500ms").is_kept([answered(0.5)])


def test_a_request_that_failed_is_slower_than_any_limit() -> None:
    slo = parse_slo("p50<10s")
    assert slo.is_kept([answered(0.1), FAILED])
    assert not slo.is_kept([answered(0.1), FAILED, FAILED])
    assert slo.missed([FAILED]) == ("p50 is endless (failed), the target is <10000 ms",)


def test_every_target_must_hold_and_each_that_does_not_is_said() -> None:
    slo = parse_slo("p95<500ms,ttft<200ms,tpot<50ms")
    records = [answered(0.81, first_s=0.01, tokens=9)]
    assert slo.missed(records) == (
        "p95 is 810 ms, the target is <500 ms",
        "tpot_p95 is 100 ms, the target is <50 ms",
    )
    assert not slo.is_met_by(records[0])
    assert slo.is_met_by(answered(0.4))


def test_an_answer_without_text_has_no_first_token() -> None:
    silent = RequestRecord(0.0, 0.0, (), 0.1)
    assert Target("ttft", 95, 1.0).value_s(silent) == math.inf
    assert parse_slo("p95<1s").is_kept([silent])


def test_a_run_without_requests_keeps_nothing() -> None:
    assert not parse_slo("p95<1s").is_kept([])
