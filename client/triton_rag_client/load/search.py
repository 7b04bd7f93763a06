"""What a service holds within its targets: a look at it while idle, then the search for the highest rate."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from statistics import mean

from triton_rag_client.errors import SloUnreachableError
from triton_rag_client.load.limit import Limit, Trial, find_limit
from triton_rag_client.load.loads import OpenLoop, run_load
from triton_rag_client.load.records import RequestRecord
from triton_rag_client.load.requests import StreamAnswer, note_request
from triton_rag_client.load.targets import Slo

__all__ = ["search_limit"]

_IDLE_REQUESTS = 5


async def search_limit(
    stream: StreamAnswer,
    questions: Sequence[str],
    slo: Slo,
    load: OpenLoop,
    *,
    seconds: float,
    precision: float,
    repeats: int,
    report: Callable[[Trial], None] = lambda _: None,
) -> Limit:
    """Search the highest rate at which a service keeps its targets.

    Args:
        stream: What answers.
        questions: Asked in this order, and again from the first when they are used up.
        slo: The targets.
        load: Arrivals and first seed; each repeat has a seed of its own. Its rate is not looked at.
        seconds: For how long each run sends requests; see `least_seconds`.
        precision: The search ends at rates that differ by no more than this share.
        repeats: Runs of each rate at most; odd.
        report: Called with each rate that was tried.

    Raises:
        SloUnreachableError: The idle service misses a target with every request, or no rate keeps them.
        RateNotSentError: This process could not even send the first rate.
    """
    idle = [await note_request(stream, question) for question in questions[:_IDLE_REQUESTS]]
    _refuse_the_impossible(slo, idle)

    async def measure(rate_per_s: float, repeat: int) -> list[RequestRecord]:
        run = replace(load, rate_per_s=rate_per_s, seed=load.seed + repeat)
        return await run_load(stream, questions, run, seconds)

    start_per_s = 0.5 / mean(record.latency_s for record in idle)
    return await find_limit(
        measure, slo, start_per_s=start_per_s, precision=precision, repeats=repeats, report=report
    )


def _refuse_the_impossible(slo: Slo, idle: Sequence[RequestRecord]) -> None:
    """Where even the fastest request on an idle service is too slow, no search is needed."""
    for target in slo.targets:
        fastest_s = min(target.value_s(record) for record in idle)
        if fastest_s < target.limit_s:
            continue
        errors = sorted({record.error for record in idle if record.error is not None})
        found = (
            f"they failed: {', '.join(errors)}" if errors else f"the fastest had {fastest_s * 1000:.4g} ms"
        )
        raise SloUnreachableError(
            f"{target} can be kept at no rate: of {len(idle)} requests one after the other, on an idle "
            f"service, none met it ({found}). Give a larger limit, or ask for fewer --max-tokens"
        )
