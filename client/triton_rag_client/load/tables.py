"""Results of load levels as rows of text: one table of figures, one of where the time goes."""

import math
from collections.abc import Sequence

from triton_rag_client.load.levels import LevelResult

__all__ = ["duration", "level_table", "markdown_table", "stage_table"]

Table = tuple[tuple[str, ...], ...]  # the first row is the heading


def level_table(levels: Sequence[LevelResult]) -> Table:
    """Rate and latency, a row a level."""
    heading = (
        "at a time", "requests/s", "p50", "p95", "p99", "first token", "requests", "failed", "measured by",
    )  # fmt: skip
    return (heading, *(_level_row(level) for level in levels))


def stage_table(levels: Sequence[LevelResult]) -> Table:
    """Share of a request's time by stage, a row a stage, a column a level."""
    stages = list(dict.fromkeys(stage for level in levels for stage in level.stage_shares))
    heading = ("share of the time", *(f"{level.concurrency} at a time" for level in levels))
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
        str(level.concurrency),
        f"{summary.requests_per_s:.2f}",
        duration(summary.p50_s),
        duration(summary.p95_s),
        duration(summary.p99_s),
        duration(summary.first_token_p50_s),
        str(summary.requests),
        str(summary.errors),
        level.measured_by,
    )


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{share:.1%}"
