import asyncio
from collections.abc import Callable

import pytest
from triton_rag_client.errors import InvalidRequestError, RateNotSentError, SloUnreachableError
from triton_rag_client.load import Limit, RequestRecord, Trial, least_seconds, parse_slo
from triton_rag_client.load.limit import find_limit

SLO = parse_slo("p95<1s")


def found(is_kept: Callable[[float, int], bool], **settings) -> Limit:
    """The search over a service that keeps the targets where the function says so."""

    async def measure(rate_per_s: float, repeat: int) -> list[RequestRecord]:
        return [RequestRecord(0.0, 0.0, (0.1,), 0.5 if is_kept(rate_per_s, repeat) else 2.0)]

    return asyncio.run(find_limit(measure, SLO, **{"start_per_s": 1.0, **settings}))


@pytest.mark.parametrize("limit_per_s", [0.1, 0.97, 1.0, 7.3, 300.0])
@pytest.mark.parametrize("precision", [0.01, 0.05, 0.5])
def test_the_limit_is_between_the_two_rates_and_they_are_close(limit_per_s: float, precision: float) -> None:
    limit = found(lambda rate, _: rate <= limit_per_s, precision=precision)
    assert limit.missed_at_per_s is not None
    assert limit.rate_per_s <= limit_per_s < limit.missed_at_per_s
    assert limit.missed_at_per_s <= limit.rate_per_s * (1 + precision)
    assert limit.note == ""


def test_sureness_is_that_of_runs_that_agree() -> None:
    assert Trial(1.0, runs=3, kept=3).sureness == Trial(1.0, runs=3, kept=0).sureness == 15 / 16
    assert Trial(1.0, runs=3, kept=2).sureness == 11 / 16
    assert Trial(1.0, runs=1, kept=1).sureness == 3 / 4
    assert found(lambda rate, _: rate <= 5).sureness == (15 / 16) ** 2
    assert found(lambda rate, _: rate <= 5, repeats=5).sureness == (63 / 64) ** 2


def test_one_run_of_three_that_disagrees_changes_the_sureness_and_not_the_limit() -> None:
    calm = found(lambda rate, _: rate <= 5)
    noisy = found(lambda rate, repeat: rate <= 5 if repeat != 1 else rate > 5)
    assert (noisy.rate_per_s, noisy.missed_at_per_s) == (calm.rate_per_s, calm.missed_at_per_s)
    assert noisy.sureness == (11 / 16) ** 2 < calm.sureness


def test_a_rate_is_not_run_again_once_most_of_its_runs_agree_but_for_the_two_that_count() -> None:
    limit = found(lambda rate, _: rate <= 5)
    runs = {trial.rate_per_s: trial.runs for trial in limit.trials}
    assert {runs.pop(limit.rate_per_s), runs.pop(limit.missed_at_per_s or 0)} == {3}
    assert set(runs.values()) == {2}


def test_where_the_generator_is_the_limit_it_says_so_and_claims_no_more() -> None:
    def is_kept(rate: float, _: int) -> bool:
        if rate > 10:
            raise RateNotSentError("it can send 10 a second")
        return True

    limit = found(is_kept)
    assert (limit.rate_per_s, limit.missed_at_per_s) == (8.0, None)
    assert limit.note == "it can send 10 a second"


def test_a_search_that_cannot_go_on_keeps_what_it_found() -> None:
    def is_kept(rate: float, _: int) -> bool:
        if 4 < rate < 8:
            raise RateNotSentError("a busy moment")
        return rate < 6

    limit = found(is_kept)
    assert (limit.rate_per_s, limit.missed_at_per_s) == (4.0, 8.0)
    assert limit.note == "the search ended early: a busy moment"


def test_targets_that_no_rate_keeps_are_said_with_what_was_missed() -> None:
    with pytest.raises(SloUnreachableError, match=r"no rate from 1 down to 0\.0156 .*: p95 is 2000 ms, the"):
        found(lambda *_: False)


@pytest.mark.parametrize("settings", [{"precision": 0}, {"precision": 1}, {"repeats": 0}, {"repeats": 2}])
def test_settings_out_of_range_are_refused(settings: dict[str, float]) -> None:
    with pytest.raises(InvalidRequestError, match="allowed are a precision above 0 and below 1, and an odd"):
        found(lambda *_: True, **settings)


def test_a_run_is_long_enough_for_a_rate_too_high_to_reach_the_limit() -> None:
    # 5% too many requests for 10.5 s: the last waits 0.526 s, and the p95 0.5 s.
    assert least_seconds(parse_slo("p95<500ms"), 0.05) == pytest.approx(0.5 / (0.05 * 0.95))
    assert least_seconds(parse_slo("p95<500ms,ttft_p50<1s"), 0.05) == pytest.approx(1 / (0.05 * 0.5))
    assert least_seconds(parse_slo("tpot<50ms"), 0.05) == 0
