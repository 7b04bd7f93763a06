from pathlib import Path

import pytest
from triton_rag_client.load import PerfAnalyzer, find_perf_analyzer, measure_level, python_questions
from triton_rag_server import TritonServer


def test_a_level_is_measured_by_perf_analyzer_where_it_runs(toy_server: TritonServer) -> None:
    program = find_perf_analyzer()
    if isinstance(program, str):
        pytest.skip(program)
    level = measure_level(
        toy_server.grpc_url, python_questions(), concurrency=2, seconds=0.2, max_tokens=2, program=program
    )
    assert (level.measured_by, level.note, level.concurrency) == ("perf_analyzer", "", 2)
    assert level.summary.requests >= 2
    assert level.summary.errors == 0
    assert sum(level.stage_shares.values()) == pytest.approx(1)


def test_a_perf_analyzer_that_fails_is_replaced_and_the_result_says_why(toy_server: TritonServer) -> None:
    broken = PerfAnalyzer(Path("/bin/false"), {}, "test")
    level = measure_level(
        toy_server.grpc_url, python_questions(), concurrency=1, seconds=0.2, max_tokens=2, program=broken
    )
    assert level.measured_by == "triton-rag"
    assert level.note.startswith("perf_analyzer failed (status 1)")
    assert level.summary.requests >= 1


def test_our_own_generator_measures_where_there_is_no_other(toy_server: TritonServer) -> None:
    level = measure_level(
        toy_server.grpc_url, python_questions(), concurrency=1, seconds=0.1, max_tokens=2, program=None
    )
    assert (level.measured_by, level.note) == ("triton-rag", "")
