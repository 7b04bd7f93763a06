"""A sink for whoever calls the engine from Python and wants the whole answer."""

import threading
from dataclasses import dataclass

from generation.delta import Delta, FinishReason, TokenLogprob
from generation.errors import GenerationError


@dataclass(frozen=True, slots=True)
class CollectedAnswer:
    """A finished answer.

    Attributes:
        text: all of its text.
        finish_reason: `stop` or `length`.
        prompt_tokens: tokens of the prompt.
        answer_tokens: tokens generated, without the one that ends an answer.
        logprobs: of these tokens, when LOGPROBS asked for them.
    """

    text: str
    finish_reason: FinishReason
    prompt_tokens: int
    answer_tokens: int
    logprobs: tuple[TokenLogprob, ...] = ()


class AnswerCollector:
    """Gathers the deltas of one answer."""

    def __init__(self) -> None:
        self.deltas: list[Delta] = []
        self.error: GenerationError | None = None
        self._is_cancelled = False
        self._ended = threading.Event()

    @property
    def has_ended(self) -> bool:
        """Whether the answer is complete or has failed."""
        return self._ended.is_set()

    def send(self, delta: Delta) -> None:
        """Keep a delta."""
        self.deltas.append(delta)
        if delta.finish_reason:
            self._ended.set()

    def fail(self, error: GenerationError) -> None:
        """Keep the reason why the answer ends early."""
        self.error = error
        self._ended.set()

    def cancel(self) -> None:
        """Say that the answer is not wanted any more."""
        self._is_cancelled = True

    def is_cancelled(self) -> bool:
        """Whether `cancel` was called."""
        return self._is_cancelled

    def answer(self, timeout_s: float | None = None) -> CollectedAnswer:
        """Wait for the end and give the whole answer.

        Args:
            timeout_s: how long to wait, in seconds; None waits for ever.

        Raises:
            TimeoutError: the answer has not ended in that time.
            GenerationError: the answer failed.
        """
        if not self._ended.wait(timeout_s):
            raise TimeoutError(f"no answer within {timeout_s} s")
        if self.error is not None:
            raise self.error
        last = self.deltas[-1]
        text = "".join(delta.text for delta in self.deltas)
        logprobs = tuple(logprob for delta in self.deltas for logprob in delta.logprobs)
        return CollectedAnswer(text, last.finish_reason, last.prompt_tokens, last.answer_tokens, logprobs)
