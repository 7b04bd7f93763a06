"""Chooses the next token of one request, from the model's scores and what the request asks for.

The order is that of transformers: the penalty on repetition, then the tokens that must not come yet, then the
most probable token or a drawn one. All tokens before this one count, right guesses among them, so that
verifying several guesses in one step chooses what one step a token would.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from generation.delta import TokenLogprob
from generation.errors import StepError
from generation.options import GenerationOptions
from generation.sampling import Sampler
from generation.scores import exclude, log_probability, penalize


@dataclass(frozen=True, slots=True)
class OutputRow:
    """What the model says of one next token.

    Attributes:
        most_probable: the token of the highest score.
        best_score: that score; not finite when the model failed.
        logits: the scores, shape (vocabulary,), if they were asked for.
    """

    most_probable: int
    best_score: float
    logits: npt.NDArray[np.float32] | None


class TokenChoice:
    """How one request chooses its tokens.

    Args:
        options: what it asks for.
        end_token_ids: the tokens that end its answer; none comes before MIN_TOKENS others.
    """

    def __init__(self, options: GenerationOptions, end_token_ids: frozenset[int]) -> None:
        self._sampler = Sampler(options) if options.temperature > 0.0 else None
        self._penalty = options.repetition_penalty
        self._min_tokens = options.min_tokens
        self._end_token_ids = end_token_ids
        self._wants_logprobs = options.logprobs

    def needs_logits(self, answer_tokens: int) -> bool:
        """Whether more than the most probable token has to be known, behind so many tokens of the answer."""
        return (
            self._sampler is not None
            or self._penalty != 1.0
            or self._wants_logprobs
            or answer_tokens < self._min_tokens
        )

    def choose(self, row: OutputRow, token_ids: Sequence[int], answer_tokens: int) -> int:
        """The next token.

        Args:
            row: of the model, with scores if `needs_logits`.
            token_ids: the decoder's tokens so far.
            answer_tokens: how many of them, the last ones, are the answer's.

        Raises:
            StepError: the scores are missing or no numbers.
        """
        if not np.isfinite(row.best_score):
            raise StepError(f"the model's scores are no numbers: the largest is {row.best_score}")
        if not self.needs_logits(answer_tokens):
            return row.most_probable
        scores = _given(row)
        if self._penalty != 1.0:
            scores = penalize(scores, token_ids, self._penalty)
        if answer_tokens < self._min_tokens:
            scores = exclude(scores, self._end_token_ids)
        return _most_probable(scores) if self._sampler is None else self._sampler.choose(scores)

    def logprobs(self, row: OutputRow, token_id: int) -> tuple[TokenLogprob, ...]:
        """What to tell about a token that was chosen: nothing unless the request asked for it."""
        if not self._wants_logprobs:
            return ()
        return (TokenLogprob(token_id, log_probability(_given(row), token_id)),)


def _given(row: OutputRow) -> npt.NDArray[np.float32]:
    if row.logits is None:
        raise StepError("the model gave no scores to choose from; its adapter ignores `logits`")
    return row.logits


def _most_probable(scores: npt.NDArray[np.float32]) -> int:
    token_id = int(scores.argmax())
    if not np.isfinite(scores[token_id]):
        raise StepError(f"the model's scores leave no token to choose: the largest is {scores[token_id]}")
    return token_id
