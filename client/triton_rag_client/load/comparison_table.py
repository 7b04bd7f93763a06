"""A comparison as rows of text: both servers' figures, their ratio, its interval, and what it says."""

import math
from collections.abc import Sequence

from triton_rag_client.load.comparison import FIGURES, ComparedFigure, Round
from triton_rag_client.load.loads import Load
from triton_rag_client.load.ratios import CONFIDENCE
from triton_rag_client.load.summary import LoadSummary
from triton_rag_client.load.tables import Table, duration

__all__ = ["comparison_table", "failure_table"]


def comparison_table(figures: Sequence[ComparedFigure], first: str, second: str) -> Table:
    """A row a figure of a load.

    Args:
        figures: What was compared.
        first: Name of the first server.
        second: Name of the second one.
    """
    heading = ("load", "figure", first, second, "ratio", f"{CONFIDENCE:.0%} interval", "says")
    rows = (
        (
            str(found.load),
            found.figure,
            _value(found.figure, found.first),
            _value(found.figure, found.second),
            _number(found.ratio.ratio),
            f"{_number(found.ratio.low)} to {_number(found.ratio.high)}" if found.ratio.has_interval else "–",
            _verdict(found),
        )
        for found in figures
    )
    return (heading, *rows)


def failure_table(loads: Sequence[Load], rounds: Sequence[Round], first: str, second: str) -> Table:
    """Requests that failed, of all that were sent, a row a load; the heading alone where none did."""
    rows = (
        (
            str(load),
            _failures([pair.first[at].summary for pair in rounds]),
            _failures([pair.second[at].summary for pair in rounds]),
        )
        for at, load in enumerate(loads)
        if any(level.summary.failed for pair in rounds for level in (pair.first[at], pair.second[at]))
    )
    return (("failed requests", first, second), *rows)


def _failures(summaries: Sequence[LoadSummary]) -> str:
    failed = sum(summary.failed for summary in summaries)
    return f"{failed} of {failed + sum(summary.requests for summary in summaries)}"


def _verdict(found: ComparedFigure) -> str:
    ratio = found.ratio
    if math.isnan(ratio.ratio):
        return "not measured in every round"
    if not ratio.has_interval:
        return "one round: no interval"
    if ratio.holds_one:
        return "no difference shown: holds 1"
    return "better" if (ratio.ratio < 1) == FIGURES[found.figure].is_time else "worse"


def _value(figure: str, value: float) -> str:
    return duration(value) if FIGURES[figure].is_time else _number(value)


def _number(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.3g}"
