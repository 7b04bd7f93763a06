"""Our own generator and perf_analyzer, in turns on the same load: their figures must be the same.

Both send the same requests at the same times to a real Triton. A pair of runs shares what else the machine
does, and the median over the pairs leaves out a pair that something else fell into.
"""

import asyncio
from collections.abc import Iterator
from statistics import median

import pytest
from toy_pipeline import write_toy_pipeline
from triton_rag_client.load import (
    LoadSummary,
    OpenLoop,
    find_perf_analyzer,
    open_service,
    python_questions,
    service_at,
    summarize,
)
from triton_rag_client.load.arrivals import arrival_times
from triton_rag_client.load.loads import run_load
from triton_rag_client.load.perf_analyzer import perf_analyzer_open_loop
from triton_rag_client.load.perf_analyzer_program import PerfAnalyzer
from triton_rag_server import TritonServer

LOAD = OpenLoop(1.5, "constant")  # below what the service holds: the throughput is the rate
SECONDS = 6.0
TOKENS = 3
PAUSE_S = 0.15  # a token; long beside what a client spends on a request, so that the service is measured
PAIRS = 5
QUESTIONS = python_questions()


@pytest.fixture(scope="module")
def steady_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TritonServer]:
    with TritonServer(write_toy_pipeline(tmp_path_factory.mktemp("steady"), pause_s=PAUSE_S)) as server:
        yield server


def own(url: str) -> LoadSummary:
    async def run():
        async with open_service(service_at(url, TOKENS)) as stream:
            return await run_load(stream, QUESTIONS, LOAD, SECONDS)

    return summarize(asyncio.run(run()))


def perf_analyzers(program: PerfAnalyzer, url: str) -> LoadSummary:
    due_times_s = arrival_times(LOAD.arrivals, LOAD.rate_per_s, SECONDS)
    return summarize(
        perf_analyzer_open_loop(
            program, url, QUESTIONS, due_times_s=due_times_s, max_tokens=TOKENS, timeout_s=120
        )
    )


def shown(summary: LoadSummary) -> str:
    latency_s, first_s = summary.latency_s.p50, summary.first_token_s.p50
    return f"p50 {latency_s * 1e3:.1f} ms, to text {first_s * 1e3:.1f} ms, {summary.requests_per_s:.3f}/s"


def test_on_the_same_constant_load_the_generators_agree_within_10_percent(
    steady_server: TritonServer, capsys: pytest.CaptureFixture[str]
) -> None:
    program = find_perf_analyzer()
    if isinstance(program, str):
        pytest.skip(program)
    pairs = [
        (own(steady_server.grpc_url), perf_analyzers(program, steady_server.grpc_url)) for _ in range(PAIRS)
    ]
    with capsys.disabled():
        print(f"\n{LOAD}:")
        for ours, theirs in pairs:
            print(f"  our own generator: {shown(ours)};  perf_analyzer: {shown(theirs)}")
    for ours, theirs in pairs:
        assert ours.requests == theirs.requests == LOAD.rate_per_s * SECONDS
        assert ours.errors == theirs.errors == {}
        assert ours.tokens_per_s / ours.requests_per_s == pytest.approx(TOKENS)
        assert theirs.tokens_per_s / theirs.requests_per_s == pytest.approx(TOKENS)
    for value in (lambda s: s.latency_s.p50, lambda s: s.requests_per_s):
        assert median(value(ours) / value(theirs) for ours, theirs in pairs) == pytest.approx(1, abs=0.1)
