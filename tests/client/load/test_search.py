"""Services of known capacity, in virtual time."""

import math

import pytest
from triton_rag_client.errors import SloUnreachableError
from triton_rag_client.load import Limit, OpenLoop, least_seconds, parse_slo, search_limit
from virtual_services import QueueService, busy
from virtual_time import run_virtually


def searched(make_service, slo_text: str, *, arrivals="constant", seconds: float = 0.0) -> Limit:
    slo = parse_slo(slo_text)

    async def run():
        return await search_limit(
            make_service().stream,
            ["a", "b"] * 5,
            slo,
            OpenLoop(1.0, arrivals),
            seconds=seconds or least_seconds(slo, 0.05),
            precision=0.05,
            repeats=3,
        )

    return run_virtually(run())


@pytest.mark.parametrize(
    ("workers", "busy_s", "slo"),
    [(1, 0.1, "p95<500ms"), (4, 0.25, "p95<500ms"), (8, 2.0, "p95<5s,ttft<4s"), (3, 0.02, "p50<100ms")],
)
def test_the_capacity_of_a_service_is_found_within_5_percent(workers: int, busy_s: float, slo: str) -> None:
    limit = searched(lambda: QueueService(workers, busy(busy_s)), slo)
    capacity_per_s = workers / busy_s
    assert limit.rate_per_s == pytest.approx(capacity_per_s, rel=0.05)
    assert limit.missed_at_per_s is not None
    assert limit.rate_per_s <= capacity_per_s * 1.05 < limit.missed_at_per_s * 1.06


def test_random_arrivals_at_a_random_service_hold_what_queueing_theory_says() -> None:
    # M/M/1: the time in the system is exponential with the rate mu - lambda, so that its p95 is
    # ln(20) / (mu - lambda).
    limit = searched(
        lambda: QueueService(1, busy(0.05, seed=5)), "p95<500ms", arrivals="poisson", seconds=120
    )
    assert limit.rate_per_s == pytest.approx(20 - math.log(20) / 0.5, rel=0.08)


def test_targets_that_an_idle_service_misses_are_refused_without_a_search() -> None:
    service = QueueService(8, busy(0.8))
    with pytest.raises(SloUnreachableError, match=r"p95<500ms can be kept at no rate: .* fastest had 800 ms"):
        searched(lambda: service, "ttft<900ms,p95<500ms")
    assert service.requests == 5
