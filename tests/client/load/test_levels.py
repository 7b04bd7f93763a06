from pathlib import Path

import pytest
from triton_rag_client import PerfAnalyzerError
from triton_rag_client.load import (
    ClosedLoop,
    OpenLoop,
    PerfAnalyzer,
    find_perf_analyzer,
    measure_level,
    measure_level_anyhow,
    parse_slo,
    python_questions,
    service_at,
)
from triton_rag_server import TritonServer


def test_a_level_is_measured_by_perf_analyzer_where_it_runs(toy_server: TritonServer) -> None:
    program = find_perf_analyzer()
    if isinstance(program, str):
        pytest.skip(program)
    level = measure_level(
        service_at(toy_server.grpc_url, 2), python_questions(), ClosedLoop(2), seconds=0.2, program=program
    )
    assert (level.measured_by, level.note, level.load) == ("perf_analyzer", "", ClosedLoop(2))
    assert level.summary.requests >= 2
    assert level.summary.errors == {}
    assert sum(level.stage_shares.values()) == pytest.approx(1)


def test_a_perf_analyzer_that_fails_is_replaced_and_the_result_says_why(toy_server: TritonServer) -> None:
    broken = PerfAnalyzer(Path("/bin/false"), {}, "test")
    asked = (service_at(toy_server.grpc_url, 2), python_questions(), ClosedLoop(1))
    with pytest.raises(PerfAnalyzerError, match=r"perf_analyzer failed \(status 1\)"):
        measure_level(*asked, seconds=0.2, program=broken)
    level = measure_level_anyhow(*asked, seconds=0.2, program=broken)
    assert level.measured_by == "triton-rag"
    assert level.note.startswith("perf_analyzer failed (status 1)")
    assert level.summary.requests >= 1


def test_our_own_generator_measures_where_there_is_no_other(toy_server: TritonServer) -> None:
    level = measure_level(
        service_at(toy_server.grpc_url, 2), python_questions(), ClosedLoop(1), seconds=0.1, program=None
    )
    assert (level.measured_by, level.note) == ("triton-rag", "")


def test_an_open_loop_is_measured_by_our_own_generator_with_tokens_stages_and_goodput(
    toy_server: TritonServer,
) -> None:
    level = measure_level(
        service_at(toy_server.grpc_url, 3),
        python_questions(),
        OpenLoop(20, "constant"),
        seconds=0.5,
        slo=parse_slo("p95<100s"),
    )
    summary = level.summary
    assert (level.measured_by, level.note) == ("triton-rag", "")
    assert (summary.requests, summary.errors) == (10, {})
    assert summary.goodput_per_s == pytest.approx(summary.requests_per_s)
    assert (summary.answer_tokens.p50, summary.prompt_tokens.p50) == (3, 7)
    assert summary.between_tokens_s.count == 10 * 2
    assert sum(level.stage_shares.values()) == pytest.approx(1)


def test_an_open_loop_by_perf_analyzer_has_the_same_arrivals_and_says_what_it_cannot_tell(
    toy_server: TritonServer,
) -> None:
    program = find_perf_analyzer()
    if isinstance(program, str):
        pytest.skip(program)
    asked = (service_at(toy_server.grpc_url, 3), python_questions(), OpenLoop(20, "poisson", seed=3))
    own, level = (measure_level(*asked, seconds=1, program=chosen) for chosen in (None, program))
    assert level.measured_by == "perf_analyzer"
    assert "does not say when its schedule began" in level.note
    for summary in (own.summary, level.summary):
        assert (summary.errors, summary.answer_tokens.p50, summary.prompt_tokens.p50) == ({}, 3, 7)
    assert level.summary.requests == own.summary.requests > 0
    assert level.summary.query_characters == own.summary.query_characters
    assert sum(level.stage_shares.values()) == pytest.approx(1)


def test_a_server_that_is_not_there_is_a_result_of_failures() -> None:
    level = measure_level(service_at("grpc://127.0.0.1:1", 2), ["a"], OpenLoop(20, "constant"), seconds=0.2)
    assert (level.summary.requests, level.summary.errors) == (0, {"ConnectionFailedError": 4})
    assert level.stage_shares == {}
