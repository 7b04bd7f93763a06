"""One level of load: so many requests at a time, or a second, and everything that is measured meanwhile."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from triton_rag_client.errors import ConnectionFailedError, PerfAnalyzerError
from triton_rag_client.load.loads import ClosedLoop, Load, run_load
from triton_rag_client.load.perf_analyzer import run_perf_analyzer
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

__all__ = ["LevelResult", "measure_level"]

# perf_analyzer gets so many times the time that its requests should take, and what it needs to start.
_PATIENCE = 4.0
_LEAST_PATIENCE_S = 20.0


@dataclass(frozen=True, slots=True)
class LevelResult:
    """A level of load.

    Attributes:
        load: The load.
        measured_by: `perf_analyzer` or `triton-rag`, our own generator.
        summary: Its figures.
        stage_shares: Share of the pipeline's time by stage, largest first; empty where it cannot be read.
        note: Why perf_analyzer was not used; empty when it was, or was not asked for.
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
        program: The perf_analyzer to measure a closed loop with; None measures with our own generator.
        slo: What counts as goodput.

    Raises:
        RateNotSentError: This process could not send an open loop's rate.
    """
    at_a_time = load.concurrency if isinstance(load, ClosedLoop) else 1
    warm_up = _own_records(service, questions[-at_a_time:], ClosedLoop(at_a_time), 0.0)
    before = _statistics(service)
    records: list[RequestRecord] = []
    note = ""
    if program is not None and isinstance(load, ClosedLoop):
        rate_per_s = summarize(warm_up).requests_per_s
        records, note = _perf_analyzer_records(service, questions, load, seconds, program, rate_per_s)
    measured_by = "perf_analyzer"
    if not records:
        measured_by = "triton-rag"
        before = _statistics(service)
        records = _own_records(service, questions, load, seconds)
    after = _statistics(service)
    shares = stage_shares(before, after) if before else {}
    times = stage_times(before, after) if before else {}
    return LevelResult(load, measured_by, summarize(records, slo), shares, note, times, timeline(records))


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
    load: ClosedLoop,
    seconds: float,
    program: PerfAnalyzer,
    rate_per_s: float,
) -> tuple[list[RequestRecord], str]:
    """Its records; or none and why."""
    requests = max(load.concurrency, round(seconds * rate_per_s))
    expected_s = requests / rate_per_s if rate_per_s > 0 else seconds
    try:
        records = run_perf_analyzer(
            program,
            service.url,
            questions,
            concurrency=load.concurrency,
            max_tokens=service.max_tokens,
            requests=requests,
            timeout_s=_LEAST_PATIENCE_S + _PATIENCE * expected_s,
        )
    except PerfAnalyzerError as error:
        return [], str(error)
    return records, ""
