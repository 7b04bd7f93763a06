"""What a load generator notes of each request.

Every generator (closed loop, open loop, perf_analyzer) delivers the same notes, so that every figure is
computed by the same arithmetic.
"""

from dataclasses import dataclass

__all__ = ["RequestRecord"]


@dataclass(frozen=True, slots=True)
class RequestRecord:
    """One request, in seconds of any one clock.

    Attributes:
        start_s: When it should have been sent; its times count from here. In a closed loop, which sends when
            it can, it is when it was sent.
        sent_s: When it was sent.
        text_times_s: When each response with text came.
        end_s: When its last response, or its failure, came.
        prompt_tokens: Tokens of the prompt; None where the generator does not tell.
        answer_tokens: Tokens of the answer; None where the generator does not tell.
        error: The kind of its failure; None when it succeeded.
        query_characters: Characters of the question; None where they are not noted.
    """

    start_s: float
    sent_s: float
    text_times_s: tuple[float, ...]
    end_s: float
    prompt_tokens: int | None = None
    answer_tokens: int | None = None
    error: str | None = None
    query_characters: int | None = None

    @property
    def latency_s(self) -> float:
        """Time to the whole answer."""
        return self.end_s - self.start_s

    @property
    def first_token_s(self) -> float | None:
        """Time to the first text; None when none came."""
        return self.text_times_s[0] - self.start_s if self.text_times_s else None

    @property
    def time_per_token_s(self) -> float | None:
        """Time a token after the first text; None for answers of one token.

        Where the tokens are not known, each response with text counts as one.
        """
        tokens = self.answer_tokens or len(self.text_times_s)
        if not self.text_times_s or tokens < 2:
            return None
        return (self.text_times_s[-1] - self.text_times_s[0]) / (tokens - 1)
