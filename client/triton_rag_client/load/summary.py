"""The figures of a run, from the notes of its requests."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from triton_rag_client.load.histograms import Distribution, distribution
from triton_rag_client.load.records import RequestRecord
from triton_rag_client.load.targets import Slo

__all__ = ["LoadSummary", "summarize"]


@dataclass(frozen=True, slots=True)
class LoadSummary:
    """Figures of a run; times and lengths are those of successful requests only.

    Attributes:
        requests: Requests that succeeded.
        errors: Requests that failed, by kind: the name of the client's error.
        seconds: From the first request's start to the last response.
        requests_per_s: Successful requests a second over that time.
        tokens_per_s: Their answers' tokens a second; NaN where the generator does not tell tokens.
        goodput_per_s: Requests a second that met every target; None without targets.
        latency_s: Time to the whole answer.
        first_token_s: Time to the first text.
        between_tokens_s: Time from one response with text to the next; a response can carry several tokens.
        lag_s: How much later than due the generator sent, all requests; zero where it sends when it can.
        query_characters: Characters of the questions.
        prompt_tokens: Tokens of the prompts, passages included.
        answer_tokens: Tokens of the answers.
    """

    requests: int
    errors: dict[str, int]
    seconds: float
    requests_per_s: float
    tokens_per_s: float
    goodput_per_s: float | None
    latency_s: Distribution
    first_token_s: Distribution
    between_tokens_s: Distribution
    lag_s: Distribution
    query_characters: Distribution
    prompt_tokens: Distribution
    answer_tokens: Distribution

    @property
    def failed(self) -> int:
        """Requests that failed."""
        return sum(self.errors.values())


def summarize(records: Sequence[RequestRecord], slo: Slo | None = None) -> LoadSummary:
    """The figures of a run.

    Args:
        records: Its requests.
        slo: What counts as goodput.

    Raises:
        ClientSetupError: The package hdrhistogram is not installed.
    """
    succeeded = [record for record in records if record.error is None]
    seconds = (
        max(record.end_s for record in records) - min(record.start_s for record in records)
        if records
        else 0.0
    )
    answer_tokens = _known(record.answer_tokens for record in succeeded)
    met = sum(slo.is_met_by(record) for record in records) if slo is not None else 0
    return LoadSummary(
        requests=len(succeeded),
        errors=dict(Counter(record.error for record in records if record.error is not None)),
        seconds=seconds,
        requests_per_s=_rate(len(succeeded), seconds),
        tokens_per_s=_rate(sum(answer_tokens), seconds) if answer_tokens else float("nan"),
        goodput_per_s=_rate(met, seconds) if slo is not None else None,
        latency_s=distribution(record.latency_s for record in succeeded),
        first_token_s=distribution(_known(record.first_token_s for record in succeeded)),
        between_tokens_s=distribution(
            later - earlier for record in succeeded for earlier, later in pairwise(record.text_times_s)
        ),
        lag_s=distribution(record.sent_s - record.start_s for record in records),
        query_characters=distribution(
            _known(record.query_characters for record in succeeded), units_per_value=1
        ),
        prompt_tokens=distribution(_known(record.prompt_tokens for record in succeeded), units_per_value=1),
        answer_tokens=distribution(answer_tokens, units_per_value=1),
    )


def _known(values: Iterable[float | None]) -> list[float]:
    return [value for value in values if value is not None]


def _rate(count: float, seconds: float) -> float:
    return count / seconds if seconds > 0 else 0.0
