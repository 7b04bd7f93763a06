"""What an engine has done so far, in numbers that only grow."""

from dataclasses import dataclass

from generation.request import Request


@dataclass(slots=True)
class Counters:
    """Totals since the engine was made; the engine's thread writes them, anybody may read.

    Attributes:
        steps: runs of the model.
        prompt_tokens: tokens of prompts whose requests got a slot.
        reused_tokens: those of them that a cache held already.
        answer_tokens: tokens generated.
        drafted_tokens: guesses sent to be verified.
        accepted_tokens: tokens that a step gave beyond its first, since guesses were right.
        cancelled_requests: requests whose client went away.
        late_requests: requests that ran out of time.
        failed_requests: requests that a failing step ended.
        first_tokens: answers that have begun; that of a beam search begins when it is known.
        first_token_seconds: from a request to its first token, waiting included; of all together.
        later_tokens: tokens after the first of their answers.
        later_token_seconds: what these took, all together.
    """

    steps: int = 0
    prompt_tokens: int = 0
    reused_tokens: int = 0
    answer_tokens: int = 0
    drafted_tokens: int = 0
    accepted_tokens: int = 0
    cancelled_requests: int = 0
    late_requests: int = 0
    failed_requests: int = 0
    first_tokens: int = 0
    first_token_seconds: float = 0.0
    later_tokens: int = 0
    later_token_seconds: float = 0.0

    def count(self, request: Request, drafted: int, before: int, now_s: float) -> None:
        """Add what an answer's share of a step gave.

        Args:
            request: its `heard_s` becomes now when it gained tokens.
            drafted: guesses that were verified.
            before: tokens of the answer before the step.
            now_s: the time on the engine's clock.
        """
        gained = request.answer_tokens - before
        self.drafted_tokens += drafted
        if gained == 0:
            return
        self.answer_tokens += gained
        if drafted:
            self.accepted_tokens += gained - 1
        seconds, request.heard_s = now_s - request.heard_s, now_s
        if before == 0:
            self.first_tokens += 1
            self.first_token_seconds += seconds
        else:
            self.later_tokens += gained
            self.later_token_seconds += seconds
