"""Texts of different lengths as the graph reads them: tokens under one another, indexes to and from a grid.

Linear layers and norms see `(tokens, width)` without any padding, so a short text costs what it is long.
Attention alone needs a grid `(texts, longest)`; `grid` and `tokens` are the gather indexes between the two.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

TokenIds = npt.NDArray[np.int32]

TOKENS_ON_ALL_THREADS = 512
"""So many tokens are one call on all threads; more become several calls, each on one thread."""

TOKENS_ON_ONE_THREAD = 256
"""More tokens a call gain no speed: their activations leave a core's cache."""

GRID_MULTIPLE = 4
"""The pooling product adds four rows at a time: a grid of another width would round differently."""

LEAST_TOKENS = 4
"""A product with one row takes another path, which rounds differently."""


@dataclass(frozen=True, slots=True)
class PackedTexts:
    """One call's input; `tokens` counts real tokens and, in a very short call, some that fill up.

    Attributes:
        ids: `(tokens,)`.
        positions: `(tokens,)`, from 0 in each text.
        grid: `(texts, longest)` index into the tokens; 0 behind a text's end.
        unpack: `(tokens,)` index into the flattened grid.
        last: `(texts,)` each length minus one.
        longest: scalar, the width of the grid.
        weights: `(texts, 1, longest)` each token's share in its text's mean.
    """

    ids: TokenIds
    positions: TokenIds
    grid: TokenIds
    unpack: TokenIds
    last: TokenIds
    longest: TokenIds
    weights: npt.NDArray[np.float32]


def pack(texts: Sequence[TokenIds], pad_id: int) -> PackedTexts:
    """Lay out the token ids of at least one text, none of them empty."""
    lengths = np.array([len(text) for text in texts], dtype=np.int32)
    longest = -(-int(lengths.max()) // GRID_MULTIPLE) * GRID_MULTIPLE
    columns = np.arange(longest, dtype=np.int32)
    is_token = columns < lengths[:, None]  # (texts, longest)
    starts = (np.cumsum(lengths) - lengths).astype(np.int32)
    fill = max(0, LEAST_TOKENS - int(lengths.sum()))
    return PackedTexts(
        ids=np.concatenate([*texts, np.full(fill, pad_id)]).astype(np.int32),
        positions=_filled(np.broadcast_to(columns, is_token.shape)[is_token], fill),
        grid=np.where(is_token, starts[:, None] + columns, 0).astype(np.int32),
        unpack=_filled(np.flatnonzero(is_token), fill),
        last=lengths - 1,
        longest=np.array(longest, dtype=np.int32),
        weights=(is_token / lengths[:, None]).astype(np.float32)[:, None, :],
    )


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


def _filled(indexes: npt.NDArray[np.integer], fill: int) -> TokenIds:
    return np.concatenate([indexes, np.zeros(fill)]).astype(np.int32)
