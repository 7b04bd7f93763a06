"""What a load generator notes of each request, and the figures that follow from these notes.

Every generator delivers the same notes, so that every figure is computed by the same arithmetic.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

__all__ = ["LoadSummary", "RequestRecord", "summarize"]


@dataclass(frozen=True, slots=True)
class RequestRecord:
    """One request, in seconds of any one clock.

    Attributes:
        start_s: When it was sent.
        first_text_s: When the first text of the answer came; None when none came.
        end_s: When its last response, or its failure, came.
        responses: How many responses carried text.
        error: The kind of its failure; None when it succeeded.
    """

    start_s: float
    first_text_s: float | None
    end_s: float
    responses: int
    error: str | None = None


@dataclass(frozen=True, slots=True)
class LoadSummary:
    """Figures of a run; latencies are those of whole answers, of successful requests only.

    Attributes:
        requests: Requests that succeeded.
        errors: Requests that failed.
        seconds: From the first request sent to the last response.
        requests_per_s: Successful requests a second over that time.
        p50_s: Median latency; NaN when nothing succeeded, as the three below.
        p95_s: 95th percentile.
        p99_s: 99th percentile; of fewer than a hundred requests it is close to the slowest one.
        first_token_p50_s: Median time to the first text.
    """

    requests: int
    errors: int
    seconds: float
    requests_per_s: float
    p50_s: float
    p95_s: float
    p99_s: float
    first_token_p50_s: float


def summarize(records: Sequence[RequestRecord]) -> LoadSummary:
    """The figures of a run. Percentiles interpolate linearly between neighbours."""
    succeeded = [record for record in records if record.error is None]
    latencies_s = [record.end_s - record.start_s for record in succeeded]
    first_s = [
        record.first_text_s - record.start_s for record in succeeded if record.first_text_s is not None
    ]
    seconds = (
        max(record.end_s for record in records) - min(record.start_s for record in records)
        if records
        else 0.0
    )
    return LoadSummary(
        requests=len(succeeded),
        errors=len(records) - len(succeeded),
        seconds=seconds,
        requests_per_s=len(succeeded) / seconds if seconds > 0 else 0.0,
        p50_s=_percentile(latencies_s, 50),
        p95_s=_percentile(latencies_s, 95),
        p99_s=_percentile(latencies_s, 99),
        first_token_p50_s=_percentile(first_s, 50),
    )


def _percentile(values: Sequence[float], percent: float) -> float:
    return float(np.percentile(values, percent)) if values else float("nan")
