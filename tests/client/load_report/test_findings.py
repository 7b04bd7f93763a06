"""What the summary says, of runs whose figures are known."""

import pytest
from triton_rag_client.load import ClosedLoop, LevelResult, Limit, RequestRecord, Trial, summarize
from triton_rag_client.load.machine import Machine
from triton_rag_client.load.results import LoadTestResults
from triton_rag_client.load.server_facts import ServerFacts
from triton_rag_client.load_report.findings import breaks_first, holds


def level(concurrency: int, latency_s: float, failed: int = 0) -> LevelResult:
    """Ten rounds of so many requests, each as long; then some that fail at once."""
    starts_s = [latency_s * number for number in range(10) for _ in range(concurrency)]
    records = [RequestRecord(start, start, (start + 0.1,), start + latency_s) for start in starts_s]
    records += [RequestRecord(0.0, 0.0, (), 0.0, error="UnavailableError")] * failed
    return LevelResult(ClosedLoop(concurrency), "triton-rag", summarize(records), {"generator": 0.75})


def results(*levels: LevelResult, limit: Limit | None = None) -> LoadTestResults:
    return LoadTestResults(
        "2026-01-01",
        "",
        "grpc://h:1",
        Machine.this(),
        32,
        10.0,
        200,
        "p95<2000ms",
        limit,
        levels,
        ServerFacts(),
    )


def test_the_highest_rate_is_told_with_its_latency() -> None:
    text = holds(results(level(1, 0.5), level(4, 1.0)))
    assert text.startswith("The highest measured rate is 4.00 requests a second (4 at a time)")
    assert "95% within 1.00 s" in text
    assert "first text came within 100 ms" in text


@pytest.mark.parametrize(
    ("levels", "what"),
    [
        ((level(1, 0.5), level(4, 0.6)), "Nothing broke"),
        (
            (level(1, 0.5), level(4, 0.6, failed=3), level(8, 9.0)),
            "fail from 4 at a time on: 3 UnavailableError of 43",
        ),
        ((level(4, 2.0), level(8, 4.0)), "4 at a time brings 2.00 requests a second, 8 at a time 2.00"),
        (
            (level(1, 0.5), level(4, 1.2)),
            "the latency grows first: its p95 is 1.20 s with 4 at a time against 500 ms",
        ),
    ],
)
def test_what_breaks_first(levels: tuple[LevelResult, ...], what: str) -> None:
    text = breaks_first(results(*levels))
    assert what in text
    assert text.endswith(f"75% goes to the stage generator ({levels[-1].load}).")


def test_a_missed_target_breaks_before_all_else_and_the_lowest_such_rate_counts() -> None:
    trials = (Trial(1.0, 3, 3), Trial(4.0, 3, 0, ("p95 is 9000 ms",)), Trial(2.0, 3, 1, ("p95 is 2100 ms",)))
    found = results(level(1, 0.5, failed=1), limit=Limit(1.0, 2.0, 0.9, "", trials))
    assert breaks_first(found).startswith(
        "The first to break is a target: at 2 requests a second p95 is 2100 ms. Of"
    )
    assert holds(found).startswith(
        "The targets p95<2000ms are kept up to 1 requests a second, and not at 2 (sure to 90%). The highest"
    )


def test_a_run_of_failures_and_one_of_nothing_hold_nothing() -> None:
    lost = LevelResult(
        ClosedLoop(1), "triton-rag", summarize([RequestRecord(0, 0, (), 1, error="ServerError")]), {}
    )
    assert holds(results(lost)) == "No request succeeded at any load."
    assert breaks_first(results(lost)) == "Requests fail from 1 at a time on: 1 ServerError of 1."
    assert "No level of load was completed" in holds(results())
