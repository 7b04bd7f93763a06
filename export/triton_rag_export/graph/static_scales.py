"""One activation scale for all rows, fixed beforehand from what calibration texts showed.

Our own operators need none: they take a scale from each row (`linear.py`). A graph of standard operators with
QuantizeLinear and DequantizeLinear, as engines for GPUs read it, does. Three ways to choose the largest value
that is still told apart, from a histogram of absolute values; `S` is that value / 127:

- min-max: the largest that was seen;
- percentile: one that all but a few are below, so that outliers do not cost the others their steps;
- entropy: that whose quantized distribution is nearest to the original one by the Kullback-Leibler divergence
  (Migacz, "8-bit inference with TensorRT", 2017).
"""

from typing import Literal

import numpy as np
import numpy.typing as npt

CalibrationMethod = Literal["min-max", "percentile", "entropy"]

BINS = 2048
LEVELS = 128
PERCENTILE = 99.99
LEAST_SHARE = 1e-9

_Counts = npt.NDArray[np.int64]
_Masses = npt.NDArray[np.float64]


class AbsoluteHistogram:
    """How often absolute values occur, gathered over any number of calls in constant memory.

    The range starts with the first values, and doubles when larger ones come: pairs of bins become one, so
    that nothing counted before is lost.
    """

    def __init__(self) -> None:
        self._counts: _Counts = np.zeros(BINS, dtype=np.int64)
        self._limit = 0.0
        self._largest = 0.0

    def add(self, values: npt.NDArray[np.floating]) -> None:
        """Count more values, of any shape.

        Raises:
            ValueError: one of them is not finite.
        """
        absolute = np.abs(values, dtype=np.float64).ravel()
        largest = float(absolute.max(initial=0.0))
        if not np.isfinite(largest):
            raise ValueError(f"an activation is {largest}; allowed: finite values")
        self._largest = max(self._largest, largest)
        self._limit = self._limit or largest
        while largest > self._limit:
            self._counts = np.concatenate([self._counts.reshape(-1, 2).sum(1), np.zeros(BINS // 2, np.int64)])
            self._limit *= 2
        if self._limit:
            self._counts += np.histogram(absolute, bins=BINS, range=(0, self._limit))[0]
        else:
            self._counts[0] += len(absolute)

    def scale(self, method: CalibrationMethod, *, percentile: float = PERCENTILE) -> float:
        """What one step of a byte is worth, `S` in `Q(x) = round(x / S)`; 1 where only zeros were seen.

        Args:
            method: how the largest value is chosen that is still told apart.
            percentile: share of the values, in percent, that are below it with "percentile", above 0 to 100.

        Raises:
            ValueError: another percentile.
        """
        if not 0 < percentile <= 100:
            raise ValueError(f"percentile is {percentile}; allowed: above 0 to 100")
        if not self._largest:
            return 1.0
        match method:
            case "min-max":
                threshold = self._largest
            case "percentile":
                threshold = self._upper_edge(_percentile_bins(self._counts, percentile))
            case "entropy":
                threshold = self._upper_edge(_entropy_bins(self._counts))
        return threshold / (LEVELS - 1)

    def _upper_edge(self, bins: int) -> float:
        return min(self._largest, self._limit * bins / BINS)


def _percentile_bins(counts: _Counts, percentile: float) -> int:
    """The fewest bins from zero that hold the share."""
    below = np.cumsum(counts)
    return int(np.searchsorted(below, below[-1] * percentile / 100)) + 1


def _entropy_bins(counts: _Counts) -> int:
    """How many bins from zero to keep: what is above is clipped to the last of them."""
    last = int(np.flatnonzero(counts)[-1]) + 1
    candidates = range(min(LEVELS, last), last + 1)
    return min(candidates, key=lambda bins: _divergence(counts, bins))


def _divergence(counts: _Counts, bins: int) -> float:
    """KL of the distribution in `LEVELS` levels from the clipped one in bins, in nats."""
    kept = counts[:bins].astype(np.float64)
    clipped = kept.copy()
    clipped[-1] += counts[bins:].sum()
    level = np.arange(bins) * min(LEVELS, bins) // bins  # of each bin
    is_seen = kept > 0
    mass = np.bincount(level, weights=kept)
    seen = np.bincount(level, weights=is_seen.astype(np.float64))
    spread = np.where(is_seen, mass[level] / np.maximum(seen[level], 1), 0.0)
    return _kl(clipped, spread)


def _kl(reference: _Masses, other: _Masses) -> float:
    present = reference > 0
    # Clipped values may lie in a bin that was empty: unlikely there, not impossible.
    p, q = reference / reference.sum(), np.maximum(other / other.sum(), LEAST_SHARE)
    return float((p[present] * np.log(p[present] / q[present])).sum())
