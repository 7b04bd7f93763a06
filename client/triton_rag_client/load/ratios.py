"""Ratios of two servers measured in turn, with intervals that say what the noise of the machine leaves open.

A machine that is slow for a minute is slow for both servers of a round, so that their ratio moves less than
either figure: rounds are pairs. The mean of the logarithms of the rounds' ratios has Student's interval
(paired t; ratios of times are nearer to log-normal than to normal), and its exponential is the geometric mean
of the ratios with an interval that is the same, turned over, when the servers change places. With three or
five rounds a percentile bootstrap would be too narrow: it has only as many values to draw from.

Georges, Buytaert and Eeckhout, "Statistically Rigorous Java Performance Evaluation", OOPSLA 2007, say why a
comparison without an interval misleads; Student's distribution is computed as in Abramowitz and Stegun,
"Handbook of Mathematical Functions", 26.7.3 and 26.7.4.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

__all__ = ["CONFIDENCE", "Ratio", "paired_ratio", "student_quantile"]

CONFIDENCE = 0.95
"""How often an interval holds the true ratio, in the long run."""

_BISECTIONS = 60


@dataclass(frozen=True, slots=True)
class Ratio:
    """How many times the first server's figure the second one's is.

    Attributes:
        ratio: Geometric mean of the rounds' ratios; NaN where a round lacks the figure.
        low: Lower end of its interval; NaN with fewer than two rounds.
        high: Upper end.
        rounds: Rounds that it is from.
    """

    ratio: float
    low: float
    high: float
    rounds: int

    @property
    def has_interval(self) -> bool:
        """Whether there were enough rounds for one."""
        return not math.isnan(self.low)

    @property
    def holds_one(self) -> bool:
        """Whether the interval does not tell the two apart."""
        return self.low <= 1.0 <= self.high


def paired_ratio(
    firsts: Sequence[float], seconds: Sequence[float], *, confidence: float = CONFIDENCE
) -> Ratio:
    """The ratio second / first of a figure.

    Args:
        firsts: The figure of the first server, a value a round.
        seconds: That of the second server, of the same rounds.
        confidence: Of the interval, above 0 and below 1.

    Raises:
        ValueError: They are not of the same rounds.
    """
    if len(firsts) != len(seconds):
        raise ValueError(f"{len(firsts)} values and {len(seconds)}: give one of each a round")
    nan = math.nan
    # A round without the figure is not left out: what is lacking is seldom what would have been good.
    if not firsts or not all(0 < value < math.inf for value in (*firsts, *seconds)):
        return Ratio(nan, nan, nan, 0)
    logs = [math.log(second / first) for first, second in zip(firsts, seconds, strict=True)]
    mean = fmean(logs)
    if len(logs) < 2:
        return Ratio(math.exp(mean), nan, nan, 1)
    half = student_quantile((1 + confidence) / 2, len(logs) - 1) * stdev(logs) / math.sqrt(len(logs))
    return Ratio(math.exp(mean), math.exp(mean - half), math.exp(mean + half), len(logs))


def student_quantile(probability: float, freedom: int) -> float:
    """The value that Student's t exceeds with probability 1 - `probability`.

    Args:
        probability: From 0.5, below 1.
        freedom: Degrees of freedom, from 1.

    Raises:
        ValueError: One of them is out of range.
    """
    if not 0.5 <= probability < 1 or freedom < 1:
        raise ValueError(
            f"probability {probability:g} and {freedom} degrees of freedom: allowed are 0.5 to below 1, and 1"
        )
    inside = 2 * probability - 1
    low, high = 0.0, math.pi / 2
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        low, high = (middle, high) if _probability_within(middle, freedom) < inside else (low, middle)
    return math.tan(low) * math.sqrt(freedom)


def _probability_within(angle: float, freedom: int) -> float:
    """P(|t| < tan(angle) sqrt(freedom)), a sum of powers of the cosine."""
    cosine, sine = math.cos(angle), math.sin(angle)
    is_odd = freedom % 2 == 1
    total, term = 0.0, cosine if is_odd else 1.0
    for power in range(1 if is_odd else 0, freedom - 1, 2):
        total += term
        term *= cosine * cosine * (power + 1) / (power + 2)
    return 2 / math.pi * (angle + sine * total) if is_odd else sine * total
