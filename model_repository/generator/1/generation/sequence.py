"""One request in the engine: its tokens, how many of them the model has read, and the text it became."""

from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

from generation.deadline import Deadline
from generation.detokenizer import Detokenizer
from generation.drafting import Acceptance, DraftSource
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
    """Where an answer goes.

    All methods are called from the engine's thread and must not wait for it; behind an outbox, `send` and
    `fail` are called from the outbox's.
    """

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
        prompt_ids: the prompt, or the source of an encoder.
        token_ids: the decoder's tokens: those it begins with, and the answer's; empty while it waits.
        past: how many of them the model has read.
        deadline: when it has to have ended; None: never.
        acceptance: how often its drafted tokens are right.
        silent_steps: steps with rows of it since its sink heard of it.

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
        self.prompt_ids = prompt_ids
        self.token_ids: list[int] = []
        self.past = 0
        self.deadline = deadline
        self.acceptance = Acceptance()
        self.silent_steps = 0
        self._first_tokens = 0
        self._max_tokens = options.max_tokens
        self._end_token_ids = end_token_ids
        self._sampler = Sampler(options) if options.temperature > 0.0 else None
        self._detokenizer = detokenizer
        self._stop_strings = StopStrings(options.stop)
        self._drafts: DraftSource | None = None
        self._proposal: tuple[int, ...] = ()

    @property
    def is_sampled(self) -> bool:
        """Whether its tokens are drawn, which takes the model's scores."""
        return self._sampler is not None

    @property
    def unread(self) -> int:
        """How many tokens the model has yet to read; one once the answer has begun."""
        return len(self.token_ids) - self.past

    @property
    def answer_tokens(self) -> int:
        """How many tokens of the answer there are."""
        return len(self.token_ids) - self._first_tokens

    @property
    def is_decoding(self) -> bool:
        """Whether all that the decoder begins with has been read and the answer has begun."""
        return self.answer_tokens > 0

    def begin(self, first_tokens: tuple[int, ...], past: int) -> None:
        """Take a slot.

        Args:
            first_tokens: what the decoder reads first: a causal model's prompt.
            past: how many of them the slot's cache holds already.
        """
        self.token_ids = list(first_tokens)
        self._first_tokens = len(self.token_ids)
        self.past = past

    def draft(self, count: int) -> tuple[int, ...]:
        """Guess the next tokens: at most `count`, often none; `acceptance` learns whether that was right."""
        if self._drafts is None:
            self._drafts = DraftSource([*self.prompt_ids, *self.token_ids[self._first_tokens :]])
        self._proposal = self._drafts.propose(min(count, self._max_tokens - self.answer_tokens - 1))
        return self._proposal

    def is_late(self, now_s: float) -> bool:
        """Whether its deadline has passed."""
        return self.deadline is not None and now_s >= self.deadline.ends_s

    def taken(self) -> Delta:
        """The first delta: the request is taken and its prompt counted."""
        return self._delta("", "")

    def accept(
        self, most_probable: int, best_score: float, logits: npt.NDArray[np.float32] | None
    ) -> Delta | None:
        """Add the next token.

        Args:
            most_probable: the token of the highest score.
            best_score: that score.
            logits: the scores, shape (vocabulary,); needed if `is_sampled`.

        Returns:
            What is new, or None if nothing can be said yet.

        Raises:
            StepError: the scores are missing or no numbers.
        """
        token_id = self._chosen(most_probable, best_score, logits)
        self._judge_proposal(token_id)
        if token_id in self._end_token_ids:
            return self._delta(self._rest(), "stop")
        self.token_ids.append(token_id)
        if self._drafts is not None:
            self._drafts.push(token_id)
        text = self._stop_strings.feed(self._detokenizer.push(token_id))
        if self._stop_strings.found:
            return self._delta(text, "stop")
        if self.answer_tokens < self._max_tokens:
            return self._delta(text, "") if text else None
        text += self._rest()
        return self._delta(text, "stop" if self._stop_strings.found else "length")

    def _chosen(self, most_probable: int, best_score: float, logits: npt.NDArray[np.float32] | None) -> int:
        if not np.isfinite(best_score):
            raise StepError(f"the model's scores are no numbers: the largest is {best_score}")
        if self._sampler is None:
            return most_probable
        if logits is None:
            raise StepError("the model gave no scores to draw from; its adapter ignores `logits`")
        return self._sampler.choose(logits)

    def _judge_proposal(self, token_id: int) -> None:
        """Learn whether the next guessed token is the one that came, whether it was sent or not."""
        if not self._proposal:
            return
        is_right = self._proposal[0] == token_id
        self.acceptance.observe(int(is_right), failed=not is_right)
        self._proposal = self._proposal[1:] if is_right else ()

    def _rest(self) -> str:
        """The text held back, now that no token follows."""
        return self._stop_strings.feed(self._detokenizer.flush()) + self._stop_strings.flush()

    def _delta(self, text: str, finish_reason: FinishReason) -> Delta:
        return Delta(text, finish_reason, len(self.prompt_ids), self.answer_tokens)
