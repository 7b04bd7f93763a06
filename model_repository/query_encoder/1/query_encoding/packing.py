"""Texts of different lengths as the graph reads them, and which texts are one call.

The graph sees all tokens of a call under one another, `(tokens, width)`, without any padding: a text costs
what it is long.
"""

import math
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

TokenIds = npt.NDArray[np.int32]

TOKENS_ON_ALL_THREADS = 512
"""So many tokens are one call on all threads; more become several calls, each on one thread."""

TOKENS_ON_ONE_THREAD = 256
"""More tokens a call gain no speed: their activations leave a core's cache."""


def pack(texts: Sequence[TokenIds]) -> dict[str, TokenIds]:
    """The graph's input of at least one text, none of them empty: `ids` (tokens,) and `lengths` (texts,)."""
    return {
        "ids": np.concatenate(texts, dtype=np.int32),
        "lengths": np.array([len(text) for text in texts], dtype=np.int32),
    }


def even_tokens_a_call(tokens: int, threads: int) -> int:
    """How many tokens a call should hold, so that all threads finish at about the same time."""
    if tokens <= TOKENS_ON_ALL_THREADS:
        return TOKENS_ON_ALL_THREADS
    calls = threads * math.ceil(tokens / (TOKENS_ON_ONE_THREAD * threads))
    return math.ceil(tokens / calls)


def plan_calls(lengths: npt.NDArray[np.int64], tokens_a_call: int) -> Iterator[TokenIds]:
    """Group texts of similar length into calls of about `tokens_a_call` tokens.

    Args:
        lengths: `(texts,)` tokens of each text, all positive.
        tokens_a_call: a call holds no more, unless one text alone is longer.

    Yields:
        The indexes of the texts of each call; the longest come first.
    """
    order = np.argsort(-lengths, kind="stable").astype(np.int32)
    start, tokens = 0, 0
    for end, index in enumerate(order):
        if tokens and tokens + lengths[index] > tokens_a_call:
            yield order[start:end]
            start, tokens = end, 0
        tokens += int(lengths[index])
    if len(order):
        yield order[start:]
