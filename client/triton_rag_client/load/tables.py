"""Results of load levels as rows of text: one table of figures, one of where the time goes."""

import math
from collections.abc import Sequence

from triton_rag_client.load.histograms import Distribution
from triton_rag_client.load.levels import LevelResult

__all__ = [
    "Table",
    "duration",
    "latency_table",
    "length_table",
    "level_table",
    "markdown_table",
    "rate_table",
    "stage_table",
]

Table = tuple[tuple[str, ...], ...]  # the first row is the heading


def level_table(levels: Sequence[LevelResult]) -> Table:
    """Rate and latency, a row a level."""
    heading = (
        "load", "requests/s", "p50", "p95", "p99", "first token", "requests", "failed", "measured by",
    )  # fmt: skip
    return (heading, *(_level_row(level) for level in levels))


def rate_table(levels: Sequence[LevelResult]) -> Table:
    """What went through, a row a level: requests, tokens, goodput, failures by kind, the generator's lag."""
    heading = (
        "load", "requests/s", "goodput/s", "tokens/s", "prompt tokens", "answer tokens", "requests", "failed",
        "sent late (p99)",
    )  # fmt: skip
    return (heading, *(_rate_row(level) for level in levels))


def latency_table(levels: Sequence[LevelResult]) -> Table:
    """Percentiles of every time, three rows a level."""
    heading = ("load", "time", "p50", "p90", "p95", "p99", "p99.9", "largest")
    times = (
        ("whole answer", "latency_s"),
        ("first token", "first_token_s"),
        ("between tokens", "between_tokens_s"),
    )
    rows = (
        (str(level.load), name, *_percentiles(getattr(level.summary, field)))
        for level in levels
        for name, field in times
    )
    return (heading, *rows)


def length_table(levels: Sequence[LevelResult]) -> Table:
    """How long questions, prompts and answers were, three rows a level."""
    heading = ("load", "length", "mean", "p50", "p90", "p95", "p99", "largest")
    lengths = (
        ("query, characters", "query_characters"),
        ("prompt, tokens", "prompt_tokens"),
        ("answer, tokens", "answer_tokens"),
    )
    rows = (
        (str(level.load), name, *_whole_percentiles(getattr(level.summary, field)))
        for level in levels
        for name, field in lengths
    )
    return (heading, *rows)


def stage_table(levels: Sequence[LevelResult]) -> Table:
    """Share of a request's time by stage, a row a stage, a column a level."""
    stages = list(dict.fromkeys(stage for level in levels for stage in level.stage_shares))
    heading = ("share of the time", *(str(level.load) for level in levels))
    rows = (
        (stage, *(_percent(level.stage_shares.get(stage)) for level in levels))
        for stage in sorted(stages, key=lambda stage: -levels[-1].stage_shares.get(stage, 0.0))
    )
    return (heading, *rows)


def markdown_table(table: Table) -> str:
    """A table in Markdown."""
    heading, *rows = table
    lines = [heading, tuple("---" for _ in heading), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def duration(seconds: float) -> str:
    """Seconds for people: `85 ms`, `1.23 s`, or a dash where nothing was measured."""
    if math.isnan(seconds):
        return "–"
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.2f} s"


def _level_row(level: LevelResult) -> tuple[str, ...]:
    summary = level.summary
    return (
        str(level.load),
        f"{summary.requests_per_s:.2f}",
        duration(summary.latency_s.p50),
        duration(summary.latency_s.p95),
        duration(summary.latency_s.p99),
        duration(summary.first_token_s.p50),
        str(summary.requests),
        str(summary.failed),
        level.measured_by,
    )


def _rate_row(level: LevelResult) -> tuple[str, ...]:
    summary = level.summary
    kinds = ", ".join(f"{count} {kind}" for kind, count in summary.errors.items())
    return (
        str(level.load),
        f"{summary.requests_per_s:.2f}",
        "–" if summary.goodput_per_s is None else f"{summary.goodput_per_s:.2f}",
        _number(summary.tokens_per_s),
        _lengths(summary.prompt_tokens),
        _lengths(summary.answer_tokens),
        str(summary.requests),
        kinds or "0",
        duration(summary.lag_s.p99),
    )


def _percentiles(times_s: Distribution) -> tuple[str, ...]:
    found_s = (times_s.p50, times_s.p90, times_s.p95, times_s.p99, times_s.p99_9, times_s.largest)
    return tuple(duration(seconds) for seconds in found_s)


def _whole_percentiles(lengths: Distribution) -> tuple[str, ...]:
    if lengths.count == 0:
        return ("–",) * 6
    found = (lengths.p50, lengths.p90, lengths.p95, lengths.p99, lengths.largest)
    return (f"{lengths.mean:.1f}", *(f"{length:.0f}" for length in found))


def _lengths(tokens: Distribution) -> str:
    """Median and largest."""
    return "–" if tokens.count == 0 else f"{tokens.p50:.0f} (≤ {tokens.largest:.0f})"


def _number(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.1f}"


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{share:.1%}"
