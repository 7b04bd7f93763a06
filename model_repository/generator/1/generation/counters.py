"""What an engine has done so far, in numbers that only grow."""

from dataclasses import dataclass


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

    def count_tokens(self, drafted: int, gained: int) -> None:
        """Add what one answer's share of a step gave: `gained` tokens, with `drafted` guesses verified."""
        self.answer_tokens += gained
        self.drafted_tokens += drafted
        self.accepted_tokens += max(gained - 1, 0)
