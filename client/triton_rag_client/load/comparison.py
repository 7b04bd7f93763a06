"""Two servers under the same loads, in turn: A B A B …, never both at once, so that each has the machine.

What is asked is the same for both, and each load of a turn has questions of its own: a server that keeps
answers (a response cache) gets nothing from them, unless so many are asked that they come again, which
`notes` says. Arrivals of an open loop are the same for both in a round, and others in the next.
"""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from statistics import median
from types import MappingProxyType

from triton_rag_client.load.levels import LevelResult, measure_level
from triton_rag_client.load.loads import ClosedLoop, Load, OpenLoop
from triton_rag_client.load.questions import question_shares
from triton_rag_client.load.ratios import Ratio, paired_ratio
from triton_rag_client.load.service import Service, check_service
from triton_rag_client.load.summary import LoadSummary
from triton_rag_client.load.targets import Slo

__all__ = ["FIGURES", "ComparedFigure", "Contestant", "Round", "compared", "notes", "rounds_of"]


@dataclass(frozen=True, slots=True)
class Contestant:
    """A server that is compared.

    Attributes:
        name: What it is called in tables.
        serving: Makes it ready for a turn, and ends it; a server that runs anyway is only looked up.
        is_started_anew: Whether each turn starts it, so that it remembers nothing of the turns before.
    """

    name: str
    serving: Callable[[], AbstractContextManager[Service]]
    is_started_anew: bool


@dataclass(frozen=True, slots=True)
class Round:
    """A turn of each server: a pair of results a load.

    Attributes:
        first: Results of the first server, in the order of the loads.
        second: Those of the second server.
    """

    first: tuple[LevelResult, ...]
    second: tuple[LevelResult, ...]


@dataclass(frozen=True, slots=True)
class ComparedFigure:
    """A figure under one load.

    Attributes:
        load: The load.
        figure: Its name, a key of `FIGURES`.
        first: Median over the rounds of the first server; NaN where a round lacks it.
        second: That of the second one.
        ratio: Second to first, by pairs.
    """

    load: Load
    figure: str
    first: float
    second: float
    ratio: Ratio


@dataclass(frozen=True, slots=True)
class Figure:
    """How a figure is read from a summary, and which of two values is the better one."""

    value: Callable[[LoadSummary], float]
    is_time: bool


FIGURES: Mapping[str, Figure] = MappingProxyType(
    {
        "requests/s": Figure(lambda summary: summary.requests_per_s, False),
        "tokens/s": Figure(lambda summary: summary.tokens_per_s, False),
        "latency p50": Figure(lambda summary: summary.latency_s.p50, True),
        "latency p95": Figure(lambda summary: summary.latency_s.p95, True),
        "first token p50": Figure(lambda summary: summary.first_token_s.p50, True),
        "first token p95": Figure(lambda summary: summary.first_token_s.p95, True),
    }
)
"""What is compared: rates, of which more is better, and times in seconds, of which less is."""


def rounds_of(
    contestants: tuple[Contestant, Contestant],
    loads: Sequence[Load],
    questions: Sequence[str],
    *,
    rounds: int,
    seconds: float,
    slo: Slo | None = None,
    report: Callable[[str, LevelResult], None] = lambda name, level: None,
) -> Iterator[Round]:
    """Measure round after round; each is given when both turns of it are complete.

    Args:
        contestants: The servers, in their order.
        loads: The loads of each turn.
        questions: Divided among the loads.
        rounds: How many.
        seconds: How long each load lasts.
        slo: What counts as goodput.
        report: Called with the server's name and each level.

    Raises:
        RagError: A server cannot be started or asked.
        RateNotSentError: This process could not send an open loop's rate.
    """
    for number in range(rounds):
        of_round = [
            replace(load, seed=load.seed + number) if isinstance(load, OpenLoop) else load for load in loads
        ]
        first, second = (
            tuple(_turn(contestant, of_round, questions, seconds, slo, report)) for contestant in contestants
        )
        yield Round(first, second)


def compared(loads: Sequence[Load], rounds: Sequence[Round]) -> tuple[ComparedFigure, ...]:
    """Every figure of every load, in this order; nothing without a complete round."""
    return tuple(
        _compared(load, name, [(pair.first[place], pair.second[place]) for pair in rounds])
        for place, load in enumerate(loads)
        for name in FIGURES
        if rounds
    )


def notes(
    contestants: tuple[Contestant, Contestant],
    loads: Sequence[Load],
    questions: Sequence[str],
    rounds: Sequence[Round],
) -> tuple[str, ...]:
    """What a reader of the ratios must know."""
    found = []
    for place, contestant in enumerate(contestants):
        again = [
            str(load)
            for at, (load, share) in enumerate(
                zip(loads, question_shares(questions, len(loads)), strict=True)
            )
            if any(_asked((pair.first, pair.second)[place][at]) > len(set(share)) for pair in rounds)
        ]
        if again:
            found.append(
                f"{contestant.name} was asked questions again ({', '.join(again)}): a response cache helps "
                "it there; give more --questions, or fewer --seconds"
            )
        if not contestant.is_started_anew and len(rounds) > 1:
            found.append(
                f"{contestant.name} ran on from round to round with the same questions: caches that it has "
                "help it from the second round on; a folder is served anew each turn"
            )
    return tuple(found)


def _turn(
    contestant: Contestant,
    loads: Sequence[Load],
    questions: Sequence[str],
    seconds: float,
    slo: Slo | None,
    report: Callable[[str, LevelResult], None],
) -> Iterator[LevelResult]:
    with contestant.serving() as service:
        asyncio.run(check_service(service, questions[-1:]))  # the last, which is asked to warm up alone
        for load, share in zip(loads, question_shares(questions, len(loads)), strict=True):
            level = measure_level(service, share, load, seconds=seconds, slo=slo)
            report(contestant.name, level)
            yield level


def _asked(level: LevelResult) -> int:
    """Questions of a level, with those that warmed the server up."""
    warm_up = level.load.concurrency if isinstance(level.load, ClosedLoop) else 1
    return level.summary.requests + level.summary.failed + warm_up


def _compared(load: Load, name: str, pairs: Sequence[tuple[LevelResult, LevelResult]]) -> ComparedFigure:
    value = FIGURES[name].value
    firsts = [value(first.summary) for first, _ in pairs]
    seconds = [value(second.summary) for _, second in pairs]
    return ComparedFigure(load, name, median(firsts), median(seconds), paired_ratio(firsts, seconds))
