"""One level of load: so many requests at a time for so long, and everything that is measured meanwhile."""

from collections.abc import Sequence
from dataclasses import dataclass

from triton_rag_client.errors import PerfAnalyzerError
from triton_rag_client.load.closed_loop import run_closed_loop
from triton_rag_client.load.perf_analyzer import run_perf_analyzer
from triton_rag_client.load.perf_analyzer_program import PerfAnalyzer
from triton_rag_client.load.records import LoadSummary, RequestRecord, summarize
from triton_rag_client.load.stages import read_statistics, stage_shares

__all__ = ["LevelResult", "measure_level"]

# perf_analyzer gets so many times the time that its requests should take, and what it needs to start.
_PATIENCE = 4.0
_LEAST_PATIENCE_S = 20.0


@dataclass(frozen=True, slots=True)
class LevelResult:
    """A level of load.

    Attributes:
        concurrency: Requests at a time.
        measured_by: `perf_analyzer` or `triton-rag`, our own generator.
        summary: Its figures.
        stage_shares: Share of the pipeline's time by stage, largest first.
        note: Why perf_analyzer was not used; empty when it was, or was not asked for.
    """

    concurrency: int
    measured_by: str
    summary: LoadSummary
    stage_shares: dict[str, float]
    note: str = ""


def measure_level(
    grpc_url: str,
    questions: Sequence[str],
    *,
    concurrency: int,
    seconds: float,
    max_tokens: int,
    program: PerfAnalyzer | None,
) -> LevelResult:
    """Put a closed loop of streaming requests on a server for about `seconds`.

    A first round of our own warms the server up and says how many requests that time holds.

    Args:
        grpc_url: Such as `grpc://127.0.0.1:8001`.
        questions: What is asked, in this order.
        concurrency: Requests at a time.
        seconds: How long.
        max_tokens: Longest answer, in tokens.
        program: The perf_analyzer to measure with; None measures with our own generator.
    """
    warm_up = run_closed_loop(
        grpc_url, questions[-concurrency:], concurrency=concurrency, max_tokens=max_tokens
    )
    before = read_statistics(grpc_url)
    records, note = _perf_analyzer_records(
        grpc_url, questions, concurrency, seconds, max_tokens, program, summarize(warm_up).requests_per_s
    )
    measured_by = "perf_analyzer"
    if not records:
        measured_by = "triton-rag"
        before = read_statistics(grpc_url)
        records = run_closed_loop(
            grpc_url, questions, concurrency=concurrency, max_tokens=max_tokens, seconds=seconds
        )
    shares = stage_shares(before, read_statistics(grpc_url))
    return LevelResult(concurrency, measured_by, summarize(records), shares, note)


def _perf_analyzer_records(
    grpc_url: str,
    questions: Sequence[str],
    concurrency: int,
    seconds: float,
    max_tokens: int,
    program: PerfAnalyzer | None,
    rate_per_s: float,
) -> tuple[list[RequestRecord], str]:
    """Its records; or none and why."""
    if program is None:
        return [], ""
    requests = max(concurrency, round(seconds * rate_per_s))
    expected_s = requests / rate_per_s if rate_per_s > 0 else seconds
    try:
        records = run_perf_analyzer(
            program,
            grpc_url,
            questions,
            concurrency=concurrency,
            max_tokens=max_tokens,
            requests=requests,
            timeout_s=_LEAST_PATIENCE_S + _PATIENCE * expected_s,
        )
    except PerfAnalyzerError as error:
        return [], str(error)
    return records, ""
