"""What the engine asks of a model: run one step over the slots that have rows in it.

A step may mix slots that prefill a chunk of their prompt with slots that decode one token, or verify several
drafted ones. The adapter keeps the key/value caches; the engine keeps the tokens and says, at each step, how
many of a slot's cached tokens still count (`past`): to forget tokens is to name a smaller `past`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, Self

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class SlotRows:
    """One slot's share of a step.

    Attributes:
        slot: which slot, 0 <= slot < slots; a slot appears at most once a step.
        token_ids: the new tokens to append to the slot's cache, at least one.
        past: how many tokens of the slot's cache come before them; what lies behind is overwritten.
        outputs: how many of the last rows need a next-token result: 0 (in the middle of a prompt), 1, or
            more (verification), at most `len(token_ids)`.
    """

    slot: int
    token_ids: tuple[int, ...]
    past: int
    outputs: int


@dataclass(frozen=True, slots=True)
class StepResult:
    """The next-token results of a step, in the order of the rows given, each slot's in order of position.

    Attributes:
        token_ids: the most probable next token of each output row, shape (outputs of all slots,).
        best_scores: the score of each of these, shape (outputs of all slots,); not finite on failure.
        logits: the scores of each output row, shape (outputs of all slots, vocabulary), when asked for.
    """

    token_ids: npt.NDArray[np.int64]
    best_scores: npt.NDArray[np.float32]
    logits: npt.NDArray[np.float32] | None

    @classmethod
    def of(cls, scores: npt.NDArray[np.float32], *, logits: bool) -> Self:
        """The results of output rows with these scores, (outputs of all slots, vocabulary).

        Args:
            scores: of the rows; kept when `logits` are asked for.
            logits: whether the scores are wanted beside the most probable token.
        """
        token_ids = scores.argmax(axis=1)
        return cls(token_ids, scores[np.arange(len(token_ids)), token_ids], scores if logits else None)

    def part(self, start: int, count: int) -> "StepResult":
        """The results of `count` output rows from `start` on."""
        rows = slice(start, start + count)
        logits = None if self.logits is None else self.logits[rows]
        return StepResult(self.token_ids[rows], self.best_scores[rows], logits)


class ModelAdapter(Protocol):
    """A model with a fixed number of slots, each with its own key/value cache."""

    @property
    def slots(self) -> int:
        """How many sequences can be in flight."""

    @property
    def capacity(self) -> int:
        """How many tokens a slot's cache can hold: a causal model's prompt and answer together."""

    @property
    def source_capacity(self) -> int:
        """How many tokens of a source an encoder reads; 0: no encoder, the prompt is read in steps."""

    @property
    def max_rows_a_step(self) -> int:
        """How many rows one slot may bring to a step; all slots may bring as many at once."""

    @property
    def cache_bytes(self) -> int:
        """Memory of all slots' caches."""

    @property
    def vocabulary_size(self) -> int:
        """How many tokens there are: the width of the logits."""

    @property
    def end_token_ids(self) -> frozenset[int]:
        """The tokens that end an answer."""

    def check_room(self, prompt_tokens: int, max_tokens: int) -> None:
        """Refuse a request that can never fit.

        Raises:
            PromptError: says how much room there is, and how much is wanted.
        """

    def start(self, slot: int, prompt_ids: Sequence[int]) -> tuple[int, ...]:
        """Prepare a slot for a request: an encoder reads the prompt, a causal model does nothing.

        Returns:
            The tokens that the decoder reads first, at least one.
        """

    def copy_prefix(self, source: int, target: int, tokens: int) -> None:
        """Copy a slot's first tokens to another slot, with what an encoder read for them."""

    def step(self, rows: Sequence[SlotRows], *, logits: bool) -> StepResult:
        """Append each slot's tokens to its cache and give the results of its last rows.

        Args:
            rows: at least one slot's rows; slots without rows keep their caches unchanged.
            logits: whether the scores are wanted beside the most probable token.

        Raises:
            ValueError: rows that do not fit: an unknown or repeated slot, no token, a token outside the
                vocabulary, more rows than `max_rows_a_step`, more tokens than `capacity`.
        """
