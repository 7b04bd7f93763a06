"""The highest rate of requests at which a server keeps its targets, by bisection.

A run at one rate ends in a verdict, kept or not, and on a noisy machine or with random arrivals the verdict
is random too: each rate is run until most of its repeats agree. A rate a little too high shows only after a
while, since the queue grows with the time: `least_seconds` says for how long a run must last.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from math import comb

from triton_rag_client.errors import InvalidRequestError, RateNotSentError, SloUnreachableError
from triton_rag_client.load.records import RequestRecord
from triton_rag_client.load.targets import Slo

__all__ = ["Limit", "Trial", "find_limit", "least_seconds"]

_FEWEST_SHARE_OF_START = 1 / 64
_MOST_DOUBLINGS = 20

Measure = Callable[[float, int], Awaitable[list[RequestRecord]]]
"""A rate (requests a second) and the number of the repeat to what became of the requests."""


@dataclass(frozen=True, slots=True)
class Trial:
    """A rate that was tried.

    Attributes:
        rate_per_s: Requests a second.
        runs: How many runs.
        kept: How many of them kept the targets.
        missed: What the last run that did not keep them missed.
    """

    rate_per_s: float
    runs: int
    kept: int
    missed: tuple[str, ...] = ()

    @property
    def is_kept(self) -> bool:
        """What most of its runs say."""
        return 2 * self.kept > self.runs

    @property
    def sureness(self) -> float:
        """How probable it is that most further runs at this rate would say the same.

        With nothing known before, the share of kept runs has the distribution Beta(kept + 1, missed + 1);
        this is its part on the verdict's side of a half: 0.94 for three of three, 0.69 for two of three.
        """
        agreeing = max(self.kept, self.runs - self.kept)
        cases = sum(comb(self.runs + 1, below) for below in range(agreeing + 1))
        return cases / float(2 ** (self.runs + 1))


@dataclass(frozen=True, slots=True)
class Limit:
    """What a search found.

    Attributes:
        rate_per_s: The highest rate tried that kept the targets.
        missed_at_per_s: The lowest rate tried that did not; None when the generator could send no such rate.
        sureness: How probable it is that the limit is between the two; of `rate_per_s` alone where there is
            no second one.
        note: Why there is no second one, or why the search ended early; empty otherwise.
        trials: Everything that was tried, in this order.
    """

    rate_per_s: float
    missed_at_per_s: float | None
    sureness: float
    note: str
    trials: tuple[Trial, ...]


def least_seconds(slo: Slo, precision: float) -> float:
    """How long a run must last for a rate too high by `precision` to show.

    Where a share e too many come, a request that is due after t seconds waits e t seconds, so that the p-th
    percentile of a run of T seconds is at least e p T: it exceeds the limit L from T = L / (e p) on.
    """
    of_waiting = [target for target in slo.targets if target.time != "tpot"]
    return max((target.limit_s / (precision * target.percent / 100) for target in of_waiting), default=0.0)


async def find_limit(
    measure: Measure,
    slo: Slo,
    *,
    start_per_s: float,
    precision: float = 0.05,
    repeats: int = 3,
    report: Callable[[Trial], None] = lambda _: None,
) -> Limit:
    """Search the highest rate that keeps the targets.

    Args:
        measure: Runs a rate; raises `RateNotSentError` where it cannot send it.
        slo: The targets.
        start_per_s: The first rate; the search doubles it, or halves it, until it has one of each kind.
        precision: The search ends when the two rates differ by no more than this share.
        repeats: Runs of each rate at most; odd. It ends early when most of them agree.
        report: Called with each rate that was tried.

    Raises:
        InvalidRequestError: `precision` or `repeats` is out of range.
        SloUnreachableError: No rate down to a 64th of the first one kept the targets.
        RateNotSentError: Not even the first rate could be sent.
    """
    if not 0 < precision < 1 or repeats < 1 or repeats % 2 == 0:
        raise InvalidRequestError(
            f"precision is {precision:g} and repeats is {repeats}: "
            "allowed are a precision above 0 and below 1, and an odd number of repeats"
        )
    search = _Search(measure, slo, repeats, report)
    low, high, note = await search.bracket(start_per_s)
    try:
        while high is not None and high.rate_per_s > low.rate_per_s * (1 + precision):
            middle = await search.tried((low.rate_per_s * high.rate_per_s) ** 0.5)
            low, high = (middle, high) if middle.is_kept else (low, middle)
        low = await search.completed(low)
        high = await search.completed(high) if high is not None else None
    except RateNotSentError as error:
        note = f"the search ended early: {error}"
    sureness = low.sureness * (high.sureness if high is not None else 1.0)
    missed_at_per_s = high.rate_per_s if high is not None else None
    return Limit(low.rate_per_s, missed_at_per_s, sureness, note, tuple(search.trials.values()))


class _Search:
    """What was tried so far."""

    def __init__(self, measure: Measure, slo: Slo, repeats: int, report: Callable[[Trial], None]) -> None:
        self.trials: dict[float, Trial] = {}
        self._measure = measure
        self._slo = slo
        self._repeats = repeats
        self._report = report

    async def bracket(self, start_per_s: float) -> tuple[Trial, Trial | None, str]:
        """A rate that keeps the targets, one that does not, or None and why there is none."""
        first = trial = await self.tried(start_per_s)
        while not trial.is_kept:
            higher = trial
            if trial.rate_per_s / 2 < start_per_s * _FEWEST_SHARE_OF_START:
                raise SloUnreachableError(
                    f"{self._slo} is kept at no rate from {first.rate_per_s:.3g} down to "
                    f"{trial.rate_per_s:.3g} requests/s: {'; '.join(trial.missed)}. Give larger limits, or "
                    "ask for fewer --max-tokens"
                )
            trial = await self.tried(trial.rate_per_s / 2)
            if trial.is_kept:
                return trial, higher, ""
        for _ in range(_MOST_DOUBLINGS):
            try:
                higher = await self.tried(trial.rate_per_s * 2)
            except RateNotSentError as error:
                return trial, None, str(error)
            if not higher.is_kept:
                return trial, higher, ""
            trial = higher
        return trial, None, f"{trial.rate_per_s:.3g} requests/s are the most that are tried"

    async def tried(self, rate_per_s: float) -> Trial:
        """A rate, run until most of its repeats agree."""
        trial = Trial(rate_per_s, 0, 0)
        needed = self._repeats // 2 + 1
        while trial.kept < needed and trial.runs - trial.kept < needed:
            trial = await self._run(trial)
        self._report(trial)
        return trial

    async def completed(self, trial: Trial) -> Trial:
        """A rate with all its repeats: the verdict stays, and is surer or less sure."""
        if trial.runs == self._repeats:
            return trial
        while trial.runs < self._repeats:
            trial = await self._run(trial)
        self._report(trial)
        return trial

    async def _run(self, trial: Trial) -> Trial:
        records = await self._measure(trial.rate_per_s, trial.runs)
        is_kept = self._slo.is_kept(records)
        missed = trial.missed if is_kept else self._slo.missed(records)
        trial = Trial(trial.rate_per_s, trial.runs + 1, trial.kept + is_kept, missed)
        self.trials[trial.rate_per_s] = trial
        return trial
