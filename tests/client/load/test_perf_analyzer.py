from pathlib import Path

import pytest
from triton_rag_client import PerfAnalyzerError
from triton_rag_client.load.perf_analyzer import (
    check_version,
    perf_analyzer_closed_loop,
    perf_analyzer_open_loop,
)
from triton_rag_client.load.perf_analyzer_program import PerfAnalyzer, find_perf_analyzer
from triton_rag_server import TritonServer


@pytest.fixture(scope="session")
def program() -> PerfAnalyzer:
    found = find_perf_analyzer()
    if isinstance(found, str):
        pytest.skip(found)
    return found


def test_it_measures_as_many_requests_as_asked_for(toy_server: TritonServer, program: PerfAnalyzer) -> None:
    questions = ("one two three four", "fünf six seven")
    records = perf_analyzer_closed_loop(
        program, toy_server.grpc_url, questions, concurrency=2, max_tokens=3, requests=6, timeout_s=60
    )
    assert [record.query_characters for record in records] == [18, 14] * 3
    assert {len(record.text_times_s) for record in records} == {3}
    assert {(record.prompt_tokens, record.answer_tokens) for record in records} == {(7, 3)}


def test_a_run_that_fails_says_why_in_one_line(program: PerfAnalyzer) -> None:
    with pytest.raises(PerfAnalyzerError, match=r"perf_analyzer failed \(status \d+\): .") as caught:
        perf_analyzer_closed_loop(
            program, "grpc://127.0.0.1:1", ("a",), concurrency=1, max_tokens=1, requests=1, timeout_s=60
        )
    assert "\n" not in str(caught.value)


def test_a_run_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    endless = tmp_path / "perf_analyzer"
    endless.write_text("#!/bin/sh\nexec sleep 1000\n")
    endless.chmod(0o755)
    with pytest.raises(PerfAnalyzerError, match=r"longer than 0\.1 s"):
        perf_analyzer_closed_loop(
            PerfAnalyzer(endless, {}, "test"),
            "grpc://a",
            ("a",),
            concurrency=1,
            max_tokens=1,
            requests=1,
            timeout_s=0.1,
        )


def test_an_open_loop_asks_different_questions_and_is_timed_from_when_they_were_due(
    toy_server: TritonServer, program: PerfAnalyzer
) -> None:
    due_times_s = (0.01, 0.02, 0.2, 0.2, 0.35)
    records = perf_analyzer_open_loop(
        program,
        toy_server.grpc_url,
        [number * "a" for number in range(1, 6)],
        due_times_s=due_times_s,
        max_tokens=2,
        timeout_s=60,
    )
    assert [record.query_characters for record in records] == [1, 2, 3, 4, 5]
    begin_s = records[0].start_s - due_times_s[0]
    assert [record.start_s - begin_s for record in records] == pytest.approx(due_times_s, abs=1e-6)
    assert all(record.sent_s >= record.start_s - 1e-6 for record in records)


@pytest.mark.parametrize("said", ["", "Perf Analyzer Version 2.45.0 (commit unknown)", "usage: another"])
def test_an_old_or_unknown_version_is_refused(tmp_path: Path, said: str) -> None:
    old = tmp_path / "perf_analyzer"
    old.write_text(f"#!/bin/sh\necho '{said}'\n")
    old.chmod(0o755)
    with pytest.raises(PerfAnalyzerError, match=r"\(PATH\) says of its version .* needed is 2\.46 or newer"):
        check_version(PerfAnalyzer(old, {}, "PATH"))


@pytest.mark.parametrize("said", ["Perf Analyzer Version 2.46.0 (commit unknown)", "Version 3.1"])
def test_a_version_that_takes_our_options_is_accepted(tmp_path: Path, said: str) -> None:
    program = tmp_path / "perf_analyzer"
    program.write_text(f"#!/bin/sh\necho '{said}'\n")
    program.chmod(0o755)
    check_version(PerfAnalyzer(program, {}, "PATH"))


def test_its_last_lines_say_why_it_failed_and_a_lost_profile_is_a_failure(tmp_path: Path) -> None:
    program = tmp_path / "perf_analyzer"
    asked = (PerfAnalyzer(program, {}, "PATH"), "grpc://a", ("a",))
    numbers = {"concurrency": 1, "max_tokens": 1, "requests": 1, "timeout_s": 60}
    with pytest.raises(PerfAnalyzerError, match="cannot be started"):
        perf_analyzer_closed_loop(*asked, **numbers)
    program.write_text("#!/bin/sh\nprintf '1\\n2\\n\\n3\\n4\\n'\nexit 99\n")
    program.chmod(0o755)
    with pytest.raises(PerfAnalyzerError, match=r"\(status 99\): 2 \| 3 \| 4;"):
        perf_analyzer_closed_loop(*asked, **numbers)
    program.write_text("#!/bin/sh\necho done\n")
    with pytest.raises(PerfAnalyzerError, match="wrote no profile: done"):
        perf_analyzer_closed_loop(*asked, **numbers)
