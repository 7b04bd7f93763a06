"""One request in the engine: its tokens, how many of them the model has read, and the text it became."""

from generation.choosing import OutputRow, TokenChoice
from generation.deadline import Deadline
from generation.delta import Delta, FinishReason, Sink, TokenLogprob
from generation.detokenizer import Detokenizer
from generation.drafting import Acceptance, DraftSource
from generation.options import GenerationOptions
from generation.stop_strings import StopStrings


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
        heard_s: when its last tokens came, or the request itself, on the engine's clock.

    Args:
        prompt_ids: the prompt, not empty.
        options: what was asked for.
        sink: where the answer goes.
        detokenizer: a fresh one.
        end_token_ids: the tokens by which the model ends an answer.
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
        self.heard_s = 0.0
        self._first_tokens = 0
        self._max_tokens = options.max_tokens
        self._end_token_ids = end_token_ids.union(options.stop_tokens)
        self._choice = TokenChoice(options, self._end_token_ids)
        self._logprobs: tuple[TokenLogprob, ...] = ()  # that no delta has carried yet
        self._detokenizer = detokenizer
        self._stop_strings = StopStrings(options.stop)
        self._drafts: DraftSource | None = None
        self._proposal: tuple[int, ...] = ()

    @property
    def needs_logits(self) -> bool:
        """Whether its next token takes more of the model than the most probable one."""
        return self._choice.needs_logits(self.answer_tokens)

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
        """A delta without text, as the first one: the request is taken and its prompt counted."""
        return self._delta("", "")

    def accept(self, row: OutputRow) -> Delta | None:
        """Add the next token.

        Args:
            row: what the model says of it, with scores if `needs_logits`.

        Returns:
            What is new, or None if nothing can be said yet.

        Raises:
            StepError: the scores are missing or no numbers.
        """
        token_id = self._choice.choose(row, self.token_ids, self.answer_tokens)
        self._judge_proposal(token_id)
        if token_id in self._end_token_ids:
            return self._delta(self._rest(), "stop")
        self.token_ids.append(token_id)
        self._logprobs += self._choice.logprobs(row, token_id)
        if self._drafts is not None:
            self._drafts.push(token_id)
        text = self._stop_strings.feed(self._detokenizer.push(token_id))
        if self._stop_strings.found:
            return self._delta(text, "stop")
        if self.answer_tokens < self._max_tokens:
            return self._delta(text, "") if text else None
        text += self._rest()
        return self._delta(text, "stop" if self._stop_strings.found else "length")

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
        logprobs, self._logprobs = self._logprobs, ()
        return Delta(text, finish_reason, len(self.prompt_ids), self.answer_tokens, logprobs)
