"""What is done to the model's scores of one token, and read from them, without drawing.

A penalty on repetition divides the positive scores of tokens that stand in the text already, and multiplies
the negative ones (Keskar et al. 2019, "CTRL: A Conditional Transformer Language Model for Controllable
Generation", section 4.1; the negative ones as transformers does it).
"""

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt


def penalize(
    scores: npt.NDArray[np.float32], token_ids: Sequence[int], penalty: float
) -> npt.NDArray[np.float32]:
    """The scores with those of tokens that occurred made worse, however often they did.

    Args:
        scores: shape (vocabulary,); left unchanged.
        token_ids: the tokens that occurred.
        penalty: 1 changes nothing; above 1 makes the tokens less probable, below 1 more.
    """
    seen = np.asarray(
        token_ids, np.int64
    )  # a token that stands twice here is read and written twice: harmless
    of_seen, factor = scores[seen], np.float32(penalty)
    changed = scores.copy()
    with np.errstate(over="ignore"):  # a score that says "never" may become minus infinity: meant
        changed[seen] = np.where(of_seen < 0, of_seen * factor, of_seen / factor)
    return changed


def exclude(scores: npt.NDArray[np.float32], token_ids: Iterable[int]) -> npt.NDArray[np.float32]:
    """A copy of the scores, shape (vocabulary,), with minus infinity for these tokens."""
    changed = scores.copy()
    changed[list(token_ids)] = -np.inf
    return changed


def log_probabilities(scores: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """The natural logarithms of all tokens' probabilities, from scores of shape (rows, vocabulary)."""
    from_best = scores - scores.max(axis=1, keepdims=True)
    logarithms: npt.NDArray[np.float32] = from_best - np.log(np.exp(from_best).sum(axis=1, keepdims=True))
    return logarithms


def log_probability(scores: npt.NDArray[np.float32], token_id: int) -> float:
    """The natural logarithm of a token's probability, from scores of shape (vocabulary,)."""
    from_best = scores.astype(np.float64) - scores.max()
    return float(from_best[token_id] - np.log(np.exp(from_best).sum()))
