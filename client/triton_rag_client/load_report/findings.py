"""The results in words: what the deployment holds, and what breaks first."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

from triton_rag_client.load.levels import LevelResult
from triton_rag_client.load.loads import ClosedLoop
from triton_rag_client.load.results import LoadTestResults
from triton_rag_client.load.tables import duration

__all__ = ["breaks_first", "holds"]

_STALLED_GAIN = 1.1
"""A level that brings less than this times the rate of the one below brings nothing."""
_SLOW = 2.0
"""A p95 this many times that of the lightest load is slow."""
_MOST_MISSED = 3


def holds(results: LoadTestResults) -> str:
    """What the deployment holds."""
    if not results.levels:
        return "No level of load was completed, so nothing is known of what it holds."
    best = max(results.levels, key=lambda level: level.summary.requests_per_s)
    summary = best.summary
    if summary.requests == 0:
        return "No request succeeded at any load."
    text = (
        f"The highest measured rate is {summary.requests_per_s:.2f} requests a second ({best.load}): half of "
        f"the answers were complete within {duration(summary.latency_s.p50)}, 95% within "
        f"{duration(summary.latency_s.p95)}"
    )
    if summary.first_token_s.count:
        text += f", and the first text came within {duration(summary.first_token_s.p50)} for half of them"
    if results.limit is not None:
        limit = results.limit
        above = f", and not at {limit.missed_at_per_s:.4g}" if limit.missed_at_per_s is not None else ""
        text = (
            f"The targets {results.slo} are kept up to {limit.rate_per_s:.4g} requests a second{above} (sure "
            f"to {limit.sureness:.0%}). {text}"
        )
    return f"{text}."


def breaks_first(results: LoadTestResults) -> str:
    """What breaks first as the load grows: targets, requests, the rate or the latency."""
    found = next(_breaks(results), None)
    where = _slowest_stage(results.levels)
    if found is None:
        found = "Nothing broke at the loads that were tried: go on with higher ones to see what does."
    return f"{found} {where}".strip()


def _breaks(results: LoadTestResults) -> Iterator[str]:
    """Everything that broke, the gravest first."""
    missed = _missed_targets(results)
    if missed:
        yield f"The first to break is a target: {missed}."
    levels = results.levels
    for level in levels:
        if level.summary.failed:
            kinds = ", ".join(f"{count} {kind}" for kind, count in level.summary.errors.items())
            whole = level.summary.requests + level.summary.failed
            yield f"Requests fail from {level.load} on: {kinds} of {whole}."
    closed = [level for level in levels if isinstance(level.load, ClosedLoop) and level.summary.requests]
    for below, level in pairwise(closed):
        rates = (below.summary.requests_per_s, level.summary.requests_per_s)
        if rates[1] < _STALLED_GAIN * rates[0]:
            yield (
                f"The rate stops growing: {below.load} brings {rates[0]:.2f} requests a second, {level.load} "
                f"{rates[1]:.2f}, while the p95 of the latency goes from "
                f"{duration(below.summary.latency_s.p95)} to {duration(level.summary.latency_s.p95)}."
            )
    answered = [level for level in levels if level.summary.requests]
    for level in answered[1:]:
        least_s, p95_s = answered[0].summary.latency_s.p95, level.summary.latency_s.p95
        if p95_s > _SLOW * least_s:
            yield (
                f"No request fails; the latency grows first: its p95 is {duration(p95_s)} with {level.load} "
                f"against {duration(least_s)} with {answered[0].load}."
            )


def _missed_targets(results: LoadTestResults) -> str:
    if results.limit is None:
        return ""
    trials = [trial for trial in results.limit.trials if not trial.is_kept]
    if not trials:
        return ""
    first = min(trials, key=lambda trial: trial.rate_per_s)
    return f"at {first.rate_per_s:.4g} requests a second {'; '.join(first.missed[:_MOST_MISSED])}"


def _slowest_stage(levels: Sequence[LevelResult]) -> str:
    told = [level for level in levels if level.stage_shares]
    if not told:
        return ""
    stage, share = next(iter(told[-1].stage_shares.items()))
    return f"Of a request's time {share:.0%} goes to the stage {stage} ({told[-1].load})."
