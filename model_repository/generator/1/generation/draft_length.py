"""How many drafted tokens are worth verifying in the next step.

Physics: a step reads every weight once whatever its rows, so a few more rows cost little, but not nothing. A
drafted token that is kept with probability p saves p of a later step. A step of r rows takes about a + b r;
both are measured while serving. Rows are given to the likeliest drafts as long as tokens a second grow; where
drafts do not pay, none is sent.
"""

import heapq
from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from generation.drafting import Acceptance

_FORGETTING = 0.98
_FIRST_SLOPE = 0.05
"""A row's cost as a share of an empty step's, before anything was measured."""

_LEAST_SLOPE = 0.005
_OUTLIER = 4.0


class Drafting(Protocol):
    """A request that can guess its next tokens."""

    @property
    def acceptance(self) -> Acceptance:
        """How often its guesses are right."""

    def draft(self, count: int) -> tuple[int, ...]:
        """Guess at most `count` tokens."""


class StepCost:
    """Seconds of a step as `a + b * rows`, by recursive least squares that forget old steps."""

    def __init__(self) -> None:
        self._line: npt.NDArray[np.float64] | None = None  # (a, b)
        self._covariance = np.diag([1.0, 0.01])

    def observe(self, rows: int, seconds: float) -> None:
        """Learn from a step; one that took far longer than expected says nothing about its rows."""
        if self._line is None:
            base = seconds / (1 + _FIRST_SLOPE * rows)
            self._line = np.array([base, _FIRST_SLOPE * base])
            return
        row = np.array([1.0, rows])
        expected = float(row @ self._line)
        if not expected / _OUTLIER < seconds < expected * _OUTLIER:
            self._line *= 1.05 if seconds > expected else 0.95  # a lasting change is reached in some steps
            return
        gain = self._covariance @ row / (_FORGETTING + row @ self._covariance @ row)
        self._line = self._line + gain * (seconds - expected)
        covariance = (self._covariance - np.outer(gain, row) @ self._covariance) / _FORGETTING
        self._covariance = covariance * min(1.0, 10.0 / float(np.trace(covariance)))
        self._line[1] = max(self._line[1], _LEAST_SLOPE * abs(self._line[0]))

    def relative(self, rows: int) -> tuple[float, float]:
        """What a step costs and what one more row adds, in a common unit."""
        base, slope = (1.0, _FIRST_SLOPE) if self._line is None else (float(v) for v in self._line)
        return max(base, 0.0) + slope * rows, slope


def draft_lengths(
    acceptance: Sequence[float], longest: Sequence[int], rows: int, cost: StepCost
) -> list[int]:
    """How many drafted tokens each request should verify.

    Args:
        acceptance: for each request that writes, the probability that a drafted token is right.
        longest: the most that each may draft.
        rows: rows of the step without drafts.
        cost: of steps.

    Returns:
        A length for each request; 0 where drafts do not pay.
    """
    lengths = [0] * len(acceptance)
    seconds, row_seconds = cost.relative(rows)
    tokens = float(len(acceptance))
    gains = [(-rate, index) for index, rate in enumerate(acceptance) if longest[index] > 0]
    heapq.heapify(gains)
    while gains:
        gain, index = -gains[0][0], gains[0][1]
        if gain * seconds <= tokens * row_seconds:
            break
        lengths[index] += 1
        tokens += gain
        seconds += row_seconds
        if lengths[index] < longest[index]:
            heapq.heapreplace(gains, (-gain * acceptance[index], index))
        else:
            heapq.heappop(gains)
    return lengths


class Speculation:
    """Chooses drafts for a step, and learns what steps cost.

    Args:
        longest: the most that one request drafts in a step; 0 drafts nothing.
    """

    def __init__(self, longest: int) -> None:
        self._longest = longest
        self._cost = StepCost()

    def drafts(self, sequences: Sequence[Drafting], rows: int) -> list[tuple[int, ...]]:
        """The drafted tokens that each request should verify in the next step.

        Args:
            sequences: the requests that write.
            rows: rows of the step without drafts.
        """
        if self._longest == 0:
            return [()] * len(sequences)
        proposals = [sequence.draft(self._longest) for sequence in sequences]
        rates = [sequence.acceptance.rate for sequence in sequences]
        lengths = draft_lengths(rates, [len(proposal) for proposal in proposals], rows, self._cost)
        return [proposal[:length] for proposal, length in zip(proposals, lengths, strict=True)]

    def observe(self, rows: int, seconds: float) -> None:
        """Learn from a step in which requests wrote and none read its prompt."""
        self._cost.observe(rows, seconds)
