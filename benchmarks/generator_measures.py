"""From timed answers to the figures of the tables, and the targets that they are held against."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from generator_arrivals import percentile_95
from generator_peers import CONTENDERS, OURS, REFERENCE, Answer

CTRANSLATE2 = "ctranslate2 int8"
BEST_8_BIT = "best 8-bit peer"
DECODE, PREFILL = "decode tokens/s", "prefill tokens/s"
OUTPUT, FIRST, SECONDS = "output tokens/s", "first token p95 s", "seconds"


@dataclass(frozen=True, slots=True)
class Turn:
    """What one contender did at one turn of a case.

    Attributes:
        prompt_tokens: of each prompt.
        answers: to them, each in seconds since its call.
    """

    prompt_tokens: tuple[int, ...]
    answers: tuple[Answer, ...]

    def value(self, metric: str) -> float:
        """One of the figures."""
        answers = self.answers
        if metric == DECODE:
            written = sum(answer.tokens - answer.first_tokens for answer in answers)
            return written / sum(answer.end_s - answer.first_s for answer in answers)
        if metric == PREFILL:
            return sum(self.prompt_tokens) / sum(answer.first_s for answer in answers)
        if metric == OUTPUT:
            return sum(answer.tokens for answer in answers) / max(answer.end_s for answer in answers)
        if metric == FIRST:
            return percentile_95([answer.first_s for answer in answers])
        return max(answer.end_s for answer in answers)


Turns = Mapping[str, Sequence[Turn]]
"""The turns of a case, by contender; turn by turn, all had the same prompts."""


@dataclass(frozen=True, slots=True)
class Target:
    """How many times as good as a peer ours has to be.

    Attributes:
        case: name of the case.
        metric: name of the figure.
        peer: a contender, or the best of those with 8 bits a weight.
        least: the ratio to reach.
    """

    case: str
    metric: str
    peer: str
    least: float


TARGETS = (
    Target("one free", DECODE, BEST_8_BIT, 1.0),
    Target("one rag", DECODE, BEST_8_BIT, 1.5),
    Target("one free", PREFILL, BEST_8_BIT, 1.1),
    Target("one rag", PREFILL, BEST_8_BIT, 1.1),
    Target("eight free", OUTPUT, BEST_8_BIT, 1.3),
    Target("eight rag", OUTPUT, BEST_8_BIT, 1.8),
    Target("eight free", FIRST, BEST_8_BIT, 1.0),
    Target("eight rag", FIRST, BEST_8_BIT, 1.0),
    *(
        Target(f"{family} ×{batch}", SECONDS, peer, least)
        for family in ("t5", "bart")
        for batch in (1, 8)
        for peer, least in ((CTRANSLATE2, 2.0), (REFERENCE, 4.0))
    ),
)

METRICS = {
    "one free": (DECODE, PREFILL),
    "one rag": (DECODE, PREFILL),
    "eight free": (OUTPUT, FIRST),
    "eight rag": (OUTPUT, FIRST),
    **{f"{family} ×{batch}": (SECONDS, OUTPUT) for family in ("t5", "bart") for batch in (1, 8)},
}


def median(turns: Sequence[Turn], metric: str) -> float:
    """Median over the turns."""
    return statistics.median(turn.value(metric) for turn in turns)


def is_time(metric: str) -> bool:
    """Whether less is better."""
    return metric in (FIRST, SECONDS)


def best_peer(target: Target, turns: Turns) -> str | None:
    """Whom a target compares with: the peer named, or the best with as many bits; None: it is not there."""
    if target.peer != BEST_8_BIT:
        return target.peer if target.peer in turns else None
    bits = CONTENDERS[OURS].bits
    peers = [name for name in turns if not name.startswith(OURS) and CONTENDERS[name].bits == bits]
    choose = min if is_time(target.metric) else max
    return choose(peers, key=lambda name: median(turns[name], target.metric), default=None)


def ratio(turns: Turns, metric: str, peer: str, ours: str = OURS) -> float:
    """How many times as good one of ours is: the median of the turns' ratios; more is better."""
    pairs = [
        own.value(metric) / theirs.value(metric) for own, theirs in zip(turns[ours], turns[peer], strict=True)
    ]
    found = statistics.median(pairs)
    return 1 / found if is_time(metric) else found


def common_share(text: str, reference: str) -> float:
    """Share of a reference's characters up to the first that differs."""
    pairs = zip(text, reference, strict=False)
    same = next((index for index, (ours, theirs) in enumerate(pairs) if ours != theirs), None)
    return min(len(text), len(reference)) / len(reference) if same is None else same / len(reference)
