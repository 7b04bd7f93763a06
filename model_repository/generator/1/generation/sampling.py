"""Draws the next token of one request from the model's scores.

The order is the usual one: temperature, then the k most probable, then the nucleus (Holtzman et al. 2020,
"The Curious Case of Neural Text Degeneration"). Each token takes one number from the request's own generator,
so that the same seed gives the same answer whatever else runs.

The vocabulary is large (49,152 tokens for SmolLM2) and sorting it takes milliseconds. For the nucleus it is
not needed: tokens less probable than (1 - top_p) / vocabulary cannot weigh 1 - top_p together, so that the
nucleus lies among the others, which are few.
"""

import numpy as np
import numpy.typing as npt

from generation.errors import StepError
from generation.options import GenerationOptions


class Sampler:
    """The random choices of one request.

    Args:
        options: temperature (above 0), top_k, top_p and seed.
    """

    def __init__(self, options: GenerationOptions) -> None:
        self._temperature = options.temperature
        self._top_k = options.top_k
        self._top_p = options.top_p
        self._random = np.random.Generator(np.random.PCG64(options.seed))

    def choose(self, logits: npt.NDArray[np.float32]) -> int:
        """Draw a token.

        Args:
            logits: the scores, shape (vocabulary,); minus infinity excludes a token.

        Raises:
            StepError: a score is not a number, or none is finite.
        """
        best = logits.max()
        if not np.isfinite(best):
            raise StepError(f"the model's scores cannot be drawn from: the largest is {best}")
        token_ids, weights = self._weights(logits, best)
        if self._top_p < 1.0:
            token_ids, weights = _nucleus(token_ids, weights, self._top_p)
        cumulative = weights.cumsum()
        drawn = np.searchsorted(cumulative, self._random.random() * cumulative[-1], side="right")
        return int(token_ids[min(int(drawn), len(token_ids) - 1)])

    def _weights(
        self, logits: npt.NDArray[np.float32], best: np.float32
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
        """The tokens that may be drawn and their probabilities up to a factor."""
        if 0 < self._top_k < len(logits):
            token_ids = _most_probable(logits, self._top_k)
        else:
            token_ids = np.arange(len(logits), dtype=np.int64)
        with np.errstate(over="ignore"):  # a temperature near 0 turns differences into minus infinity: meant
            scaled = (logits[token_ids].astype(np.float64) - np.float64(best)) / self._temperature
        return token_ids, np.exp(scaled)


def _most_probable(logits: npt.NDArray[np.float32], count: int) -> npt.NDArray[np.int64]:
    """The `count` tokens of the highest scores, in order of id; of equal scores the lowest ids."""
    least = np.partition(logits, len(logits) - count)[len(logits) - count]
    above = np.flatnonzero(logits > least)
    equal = np.flatnonzero(logits == least)[: count - len(above)]
    return np.sort(np.concatenate([above, equal]))


def _nucleus(
    token_ids: npt.NDArray[np.int64], weights: npt.NDArray[np.float64], top_p: float
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """The fewest most probable tokens whose probabilities reach `top_p`, the most probable first."""
    total = weights.sum()
    likely = np.flatnonzero(weights >= total * (1.0 - top_p) / len(weights))
    order = likely[np.argsort(-weights[likely], kind="stable")]
    reached = int(np.searchsorted(weights[order].cumsum(), top_p * total, side="left"))
    kept = order[: reached + 1]
    return token_ids[kept], weights[kept]
