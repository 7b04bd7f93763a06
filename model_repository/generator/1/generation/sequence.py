"""A request that writes one answer: its tokens, and the text that they became."""

from generation.adapter import SlotRows, StepResult
from generation.choosing import OutputRow, TokenChoice
from generation.deadline import Deadline
from generation.delta import Delta, FinishReason, Sink, TokenLogprob
from generation.detokenizer import Detokenizer
from generation.drafting import DraftSource
from generation.options import GenerationOptions
from generation.request import Request
from generation.stop_strings import StopStrings


class Sequence(Request):
    """A request that takes one slot; its `token_ids` grow with the answer.

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
        super().__init__(prompt_ids, sink, deadline)
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
    def answer_tokens(self) -> int:
        """How many tokens of the answer there are."""
        return len(self.token_ids) - self._first_tokens

    @property
    def is_decoding(self) -> bool:
        """Whether all that the decoder begins with has been read and the answer has begun."""
        return self.answer_tokens > 0

    def begin(self, first_tokens: tuple[int, ...], past: int) -> None:
        """Begin to read what comes before the answer."""
        self.token_ids = list(first_tokens)
        self._first_tokens = len(self.token_ids)
        self.past = past

    def draft(self, count: int) -> tuple[int, ...]:
        """Guess the next tokens: at most `count`, often none; `acceptance` learns whether that was right."""
        if self._drafts is None:
            self._drafts = DraftSource([*self.prompt_ids, *self.token_ids[self._first_tokens :]])
        self._proposal = self._drafts.propose(min(count, self._max_tokens - self.answer_tokens - 1))
        return self._proposal

    def next_rows(self, drafts: tuple[int, ...]) -> tuple[SlotRows, ...]:
        """The token to read, and guesses to verify."""
        token_ids = (*self.token_ids[self.past :], *drafts)
        return (SlotRows(self.slots[0], token_ids, self.past, outputs=1 + len(drafts)),)

    def advance(self, drafts: tuple[int, ...], result: StepResult) -> Delta | None:
        """Add the token that a step gave, and behind each guess that was right the one that follows it."""
        news: Delta | None = None
        for place, token_id in enumerate(result.token_ids.tolist()):
            logits = None if result.logits is None else result.logits[place]
            delta = self.accept(OutputRow(token_id, float(result.best_scores[place]), logits))
            news = news.joined(delta) if news and delta else news or delta
            is_right = place < len(drafts) and self.token_ids[-1] == drafts[place]
            if (delta is not None and delta.finish_reason) or not is_right:
                break
        self.past = len(self.token_ids) - 1
        return news

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
