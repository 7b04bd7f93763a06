"""One request in the engine: its tokens, how many of them the model has read, and the text it became."""

from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

from generation.deadline import Deadline
from generation.detokenizer import Detokenizer
from generation.errors import GenerationError, StepError
from generation.options import GenerationOptions
from generation.sampling import Sampler
from generation.stop_strings import StopStrings

FinishReason = Literal["", "stop", "length"]


@dataclass(frozen=True, slots=True)
class Delta:
    """What is new about an answer.

    Attributes:
        text: text since the last delta; empty in the first one, which says that the request was taken.
        finish_reason: empty until the last delta; then `stop` (the model ended, or a stop string came) or
            `length` (MAX_TOKENS reached).
        prompt_tokens: tokens of the prompt.
        answer_tokens: tokens generated so far, without the token that ends an answer.
    """

    text: str
    finish_reason: FinishReason
    prompt_tokens: int
    answer_tokens: int


class Sink(Protocol):
    """Where an answer goes. All methods are called from the engine's thread, and must not wait for it."""

    def send(self, delta: Delta) -> None:
        """Take what is new; the last one has a finish reason, and nothing follows it."""

    def fail(self, error: GenerationError) -> None:
        """Take the reason why there will be no more; nothing follows it."""

    def is_cancelled(self) -> bool:
        """Whether nobody waits for the answer any more; asked before each step."""


class Sequence:
    """A request that waits for a slot or runs in one.

    Attributes:
        sink: where its answer goes.
        token_ids: the prompt's tokens and the answer's.
        past: how many of them the model has read.
        deadline: when it has to have ended; None: never.

    Args:
        prompt_ids: the prompt, not empty.
        options: what was asked for.
        sink: where the answer goes.
        detokenizer: a fresh one.
        end_token_ids: the tokens that end an answer.
        deadline: when it has to have ended, if ever.
    """

    def __init__(
        self,
        prompt_ids: list[int],
        options: GenerationOptions,
        sink: Sink,
        detokenizer: Detokenizer,
        end_token_ids: frozenset[int],
        deadline: Deadline | None = None,
    ) -> None:
        self.sink = sink
        self.token_ids = prompt_ids
        self.past = 0
        self.deadline = deadline
        self._prompt_tokens = len(prompt_ids)
        self._max_tokens = options.max_tokens
        self._end_token_ids = end_token_ids
        self._sampler = Sampler(options) if options.temperature > 0.0 else None
        self._detokenizer = detokenizer
        self._stop_strings = StopStrings(options.stop)

    @property
    def is_sampled(self) -> bool:
        """Whether its tokens are drawn, which takes the model's scores."""
        return self._sampler is not None

    @property
    def unread(self) -> int:
        """How many tokens the model has yet to read; one once the prompt is read."""
        return len(self.token_ids) - self.past

    @property
    def answer_tokens(self) -> int:
        """How many tokens of the answer there are."""
        return len(self.token_ids) - self._prompt_tokens

    @property
    def is_decoding(self) -> bool:
        """Whether the prompt has been read and the answer has begun."""
        return self.answer_tokens > 0

    def is_late(self, now_s: float) -> bool:
        """Whether its deadline has passed."""
        return self.deadline is not None and now_s >= self.deadline.ends_s

    def taken(self) -> Delta:
        """The first delta: the request is taken and its prompt counted."""
        return self._delta("", "")

    def accept(self, most_probable: int, logits: npt.NDArray[np.float32] | None) -> Delta | None:
        """Add the next token.

        Args:
            most_probable: the token of the highest score.
            logits: the scores, shape (vocabulary,); needed if `is_sampled`.

        Returns:
            What is new, or None if nothing can be said yet.

        Raises:
            StepError: the scores are missing or cannot be drawn from.
        """
        token_id = most_probable if self._sampler is None else _drawn(self._sampler, logits)
        if token_id in self._end_token_ids:
            return self._delta(self._rest(), "stop")
        self.token_ids.append(token_id)
        text = self._stop_strings.feed(self._detokenizer.push(token_id))
        if self._stop_strings.found:
            return self._delta(text, "stop")
        if self.answer_tokens < self._max_tokens:
            return self._delta(text, "") if text else None
        text += self._rest()
        return self._delta(text, "stop" if self._stop_strings.found else "length")

    def _rest(self) -> str:
        """The text held back, now that no token follows."""
        return self._stop_strings.feed(self._detokenizer.flush()) + self._stop_strings.flush()

    def _delta(self, text: str, finish_reason: FinishReason) -> Delta:
        return Delta(text, finish_reason, self._prompt_tokens, self.answer_tokens)


def _drawn(sampler: Sampler, logits: npt.NDArray[np.float32] | None) -> int:
    if logits is None:
        raise StepError("the model gave no scores to draw from; its adapter ignores `logits`")
    return sampler.choose(logits)
