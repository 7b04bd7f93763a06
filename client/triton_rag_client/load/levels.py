"""One level of load: so many requests at a time, or a second, and everything that is measured meanwhile."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from triton_rag_client.errors import ConnectionFailedError, PerfAnalyzerError
from triton_rag_client.load.arrivals import arrival_times
from triton_rag_client.load.loads import ClosedLoop, Load, run_load
from triton_rag_client.load.perf_analyzer import perf_analyzer_closed_loop, perf_analyzer_open_loop
from triton_rag_client.load.perf_analyzer_program import PerfAnalyzer
from triton_rag_client.load.records import RequestRecord
from triton_rag_client.load.service import Service, open_service
from triton_rag_client.load.stages import (
    ModelStatistics,
    StageTime,
    read_statistics,
    stage_shares,
    stage_times,
)
from triton_rag_client.load.summary import LoadSummary, summarize
from triton_rag_client.load.targets import Slo
from triton_rag_client.load.timeline import Timeline, timeline

__all__ = ["LevelResult", "measure_level", "measure_level_anyhow"]

# perf_analyzer gets so many times the time that its requests should take, and what it needs to start.
_PATIENCE = 4.0
_LEAST_PATIENCE_S = 20.0
_OPEN_NOTE = (
    "perf_analyzer does not say when its schedule began: times count from when a request was due after the "
    "one that was sent least late"
)


@dataclass(frozen=True, slots=True)
class LevelResult:
    """A level of load.

    Attributes:
        load: The load.
        measured_by: `perf_analyzer` or `triton-rag`, our own generator.
        summary: Its figures.
        stage_shares: Share of the pipeline's time by stage, largest first; empty where it cannot be read.
        note: What to know of how it was measured: what perf_analyzer cannot tell, or why it was replaced.
        stage_times: Mean time of a request by stage, in the order of the shares.
        timeline: The run over time.
    """

    load: Load
    measured_by: str
    summary: LoadSummary
    stage_shares: dict[str, float]
    note: str = ""
    stage_times: dict[str, StageTime] = field(default_factory=dict)
    timeline: Timeline | None = None


def measure_level(
    service: Service,
    questions: Sequence[str],
    load: Load,
    *,
    seconds: float,
    program: PerfAnalyzer | None = None,
    slo: Slo | None = None,
) -> LevelResult:
    """Put a load of streaming requests on a service for about `seconds`.

    A first round of our own warms the server up and says how many requests that time holds.

    Args:
        service: What is asked; stages need its address to be `grpc://`, without TLS.
        questions: What is asked, in this order.
        load: The load.
        seconds: How long.
        program: The perf_analyzer to measure with, over `grpc://` without TLS and headers; None measures with
            our own generator.
        slo: What counts as goodput.

    Raises:
        PerfAnalyzerError: perf_analyzer failed.
        RateNotSentError: The generator could not send an open loop's rate.
    """
    at_a_time = load.concurrency if isinstance(load, ClosedLoop) else 1
    warm_up = _own_records(service, questions[-at_a_time:], ClosedLoop(at_a_time), 0.0)
    before = _statistics(service)
    if program is None:
        records = _own_records(service, questions, load, seconds)
    else:
        rate_per_s = summarize(warm_up).requests_per_s
        records = _perf_analyzer_records(service, questions, load, seconds, program, rate_per_s)
    after = _statistics(service)
    shares = stage_shares(before, after) if before else {}
    times = stage_times(before, after) if before else {}
    measured_by = "triton-rag" if program is None else "perf_analyzer"
    note = "" if program is None or isinstance(load, ClosedLoop) else _OPEN_NOTE
    return LevelResult(load, measured_by, summarize(records, slo), shares, note, times, timeline(records))


def measure_level_anyhow(
    service: Service,
    questions: Sequence[str],
    load: Load,
    *,
    seconds: float,
    program: PerfAnalyzer | None,
) -> LevelResult:
    """As `measure_level`, but where perf_analyzer fails our own generator measures, and the note says why."""
    try:
        return measure_level(service, questions, load, seconds=seconds, program=program)
    except PerfAnalyzerError as error:
        level = measure_level(service, questions, load, seconds=seconds)
        return replace(level, note=str(error))


def _own_records(
    service: Service, questions: Sequence[str], load: Load, seconds: float
) -> list[RequestRecord]:
    async def run() -> list[RequestRecord]:
        async with open_service(service) as stream:
            return await run_load(stream, questions, load, seconds)

    return asyncio.run(run())


def _statistics(service: Service) -> dict[str, ModelStatistics]:
    """What the server says of its stages; nothing where it does not: figures of a run are worth more."""
    if not service.url.startswith("grpc://"):
        return {}
    try:
        return read_statistics(service.url)
    except ConnectionFailedError:  # it died, or a proxy keeps statistics to itself
        return {}


def _perf_analyzer_records(
    service: Service,
    questions: Sequence[str],
    load: Load,
    seconds: float,
    program: PerfAnalyzer,
    rate_per_s: float,
) -> list[RequestRecord]:
    """A closed loop gets as many requests as `seconds` hold at `rate_per_s`."""
    if isinstance(load, ClosedLoop):
        requests = max(load.concurrency, round(seconds * rate_per_s))
        expected_s = requests / rate_per_s if rate_per_s > 0 else seconds
        return perf_analyzer_closed_loop(
            program,
            service.url,
            questions,
            concurrency=load.concurrency,
            max_tokens=service.max_tokens,
            requests=requests,
            timeout_s=_LEAST_PATIENCE_S + _PATIENCE * expected_s,
        )
    return perf_analyzer_open_loop(
        program,
        service.url,
        questions,
        due_times_s=arrival_times(load.arrivals, load.rate_per_s, seconds, seed=load.seed),
        max_tokens=service.max_tokens,
        timeout_s=_LEAST_PATIENCE_S + _PATIENCE * seconds,
    )
