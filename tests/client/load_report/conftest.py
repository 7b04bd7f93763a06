import random

import pytest
from triton_rag_client.load import ClosedLoop, LevelResult, RequestRecord, parse_slo, summarize
from triton_rag_client.load.machine import Machine
from triton_rag_client.load.results import LoadTestResults
from triton_rag_client.load.server_facts import ServerFacts
from triton_rag_client.load.stages import ModelStatistics, stage_shares, stage_times
from triton_rag_client.load.timeline import timeline


@pytest.fixture(scope="session")
def results() -> LoadTestResults:
    """A run of three levels, computed from notes of requests and statistics as a real one is."""
    return LoadTestResults(
        created="2026-01-02T03:04:05+00:00",
        command="triton-rag loadtest --concurrency 1,4,8 --report build/loadtest",
        url="grpc://127.0.0.1:8001",
        generator_machine=Machine.this(),
        max_tokens=32,
        seconds=12.0,
        distinct_questions=200,
        slo="p95<3000ms",
        limit=None,
        levels=tuple(map(_level, (1, 4, 8))),
        server=ServerFacts("triton-rag", "2.51.0", {"generator": "1", "rag_stream": "1"}, is_local=True),
    )


def _level(concurrency: int) -> LevelResult:
    draw = random.Random(concurrency).uniform
    records = []
    for _ in range(concurrency):
        start_s = 0.0
        while start_s < 12.0:
            latency_s = draw(0.5, 1.5) * concurrency**0.5
            first_s = start_s + latency_s / 4
            records.append(
                RequestRecord(start_s, start_s, (first_s, start_s + latency_s), start_s + latency_s, 90, 2)
            )
            start_s += latency_s
    count = len(records)
    after = {
        "rag_stream": ModelStatistics(count, count * 1_000_000_000),
        "query_encoder": ModelStatistics(count, count * 80_000_000, count * 30_000_000),
        "passage_search": ModelStatistics(count, count * 20_000_000, count * 5_000_000),
        "generator": ModelStatistics(count, 1, 1),
    }
    return LevelResult(
        ClosedLoop(concurrency),
        "triton-rag",
        summarize(records, parse_slo("p95<3s")),
        stage_shares({}, after),
        stage_times=stage_times({}, after),
        timeline=timeline(records),
    )
