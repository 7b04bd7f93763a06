"""Distributions of times and of lengths, kept in HdrHistograms (Gil Tene, http://hdrhistogram.org).

A histogram has the same size however many values it holds, its error is under 0.1% of any value, and those of
several runs or processes can be added, which percentiles cannot.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from triton_rag_client.errors import ClientSetupError

__all__ = ["Distribution", "distribution", "percentile_curve", "require_histograms"]

_SIGNIFICANT_FIGURES = 3
_MOST = 36_000_000_000  # ten hours in microseconds; a larger value counts as this
_MICROSECONDS = 1e6
_PERCENTILES = (50.0, 90.0, 95.0, 99.0, 99.9)


@dataclass(frozen=True, slots=True)
class Distribution:
    """Percentiles of values, to three significant digits, and their mean and largest; NaN of none.

    Attributes:
        count: How many values.
        mean: Their mean.
        p50: Median.
        p90: 90th percentile.
        p95: 95th percentile.
        p99: 99th percentile; of fewer than a hundred values it is about the largest one.
        p99_9: 99.9th percentile; of fewer than a thousand values it is about the largest one.
        largest: The largest value.
        histogram: The whole distribution, in HdrHistogram's compressed V2 encoding (base64), which its tools
            read. It counts microseconds where the values are seconds.
    """

    count: int
    mean: float
    p50: float
    p90: float
    p95: float
    p99: float
    p99_9: float
    largest: float
    histogram: str


def distribution(values: Iterable[float], *, units_per_value: float = _MICROSECONDS) -> Distribution:
    """The distribution of values from 0.

    Args:
        values: Seconds, or what `units_per_value` fits.
        units_per_value: The histogram counts whole units, so many in a value: microseconds in a second; 1 for
            counts.

    Raises:
        ClientSetupError: The package hdrhistogram is not installed.
    """
    recorded = _histogram()
    total, largest = 0.0, -math.inf
    for value in values:
        recorded.record_value(min(max(0, round(value * units_per_value)), _MOST))
        total, largest = total + value, max(largest, float(value))
    count: int = recorded.get_total_count()
    encoded = recorded.encode().decode("ascii")
    if count == 0:
        nan = math.nan
        return Distribution(0, nan, nan, nan, nan, nan, nan, nan, encoded)
    found: dict[float, int] = recorded.get_percentile_to_value_dict(_PERCENTILES)
    # A bucket is reported by its largest value: never above what was seen.
    p50, p90, p95, p99, p99_9 = (min(found[percent] / units_per_value, largest) for percent in _PERCENTILES)
    return Distribution(count, total / count, p50, p90, p95, p99, p99_9, float(largest), encoded)


def percentile_curve(times: Distribution) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Percents from 0 on, and the seconds that so many percent of the values do not exceed.

    Each halving of what is left has five steps, as in HdrHistogram's own tables; the last percent is that of
    the second largest value, since 100% lies endlessly far on the axis of such plots.

    Args:
        times: A distribution of seconds; none of no values.

    Raises:
        ClientSetupError: The package hdrhistogram is not installed.
    """
    recorded = _histogram().decode(times.histogram)
    percents: list[float] = []
    left = 100.0
    while times.count and left * times.count >= 100.0:
        percents += [100.0 - left * (1 - step / 10) for step in range(5)]
        left /= 2
    percents = [percent for percent in percents if percent <= 100.0 * (1 - 1 / max(times.count, 2))]
    seconds = (
        min(recorded.get_value_at_percentile(percent) / _MICROSECONDS, times.largest) for percent in percents
    )
    return tuple(percents), tuple(seconds)


def require_histograms() -> None:
    """See to it that a run does not end without its figures.

    Raises:
        ClientSetupError: The package hdrhistogram is not installed.
    """
    _histogram()


def _histogram() -> Any:
    try:
        from hdrh.histogram import HdrHistogram  # here: not every machine has it, and only load tests need it
    except ModuleNotFoundError as error:
        raise ClientSetupError(
            "measuring load needs the package hdrhistogram, which has no wheel for every machine: "
            "pip install hdrhistogram, here with a C compiler"
        ) from error
    return HdrHistogram(1, _MOST, _SIGNIFICANT_FIGURES)
