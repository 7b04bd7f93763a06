"""What goes out of the engine: an answer in pieces, and the sink that takes them."""

from dataclasses import dataclass
from typing import Literal, Protocol

from generation.errors import GenerationError

FinishReason = Literal["", "stop", "length"]


@dataclass(frozen=True, slots=True)
class TokenLogprob:
    """A token of an answer and how probable the model found it.

    Attributes:
        token_id: the token.
        logprob: the natural logarithm of its probability by the model's own scores, before any option changes
            them; 0 is certain.
    """

    token_id: int
    logprob: float


@dataclass(frozen=True, slots=True)
class Delta:
    """What is new about an answer.

    Attributes:
        text: text since the last delta; empty in the first one, which says that the request was taken.
        finish_reason: empty until the last delta; then `stop` (the model ended, or a stop token or string
            came) or `length` (MAX_TOKENS reached).
        prompt_tokens: tokens of the prompt.
        answer_tokens: tokens generated so far, without the token that ends an answer.
        logprobs: of the tokens since the last delta, when LOGPROBS asked for them: all deltas so far have
            `answer_tokens` of them. The text of a token may come in a later delta, or not at all where it is
            that of a stop string.
    """

    text: str
    finish_reason: FinishReason
    prompt_tokens: int
    answer_tokens: int
    logprobs: tuple[TokenLogprob, ...] = ()

    def joined(self, following: "Delta") -> "Delta":
        """This delta and the one that follows it, as one."""
        return Delta(
            self.text + following.text,
            following.finish_reason,
            following.prompt_tokens,
            following.answer_tokens,
            self.logprobs + following.logprobs,
        )


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
