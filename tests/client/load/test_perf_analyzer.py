from pathlib import Path

import pytest
from triton_rag_client import PerfAnalyzerError
from triton_rag_client.load.perf_analyzer import read_profile, run_perf_analyzer
from triton_rag_client.load.perf_analyzer_program import PerfAnalyzer, find_perf_analyzer
from triton_rag_server import TritonServer

CAPTURED = Path(__file__).parent / "captured_profile.json"  # of perf_analyzer 2.46 over a real repository


@pytest.fixture(scope="session")
def program() -> PerfAnalyzer:
    found = find_perf_analyzer()
    if isinstance(found, str):
        pytest.skip(found)
    return found


def test_a_real_profile_is_read_although_it_is_no_utf_8() -> None:
    content = CAPTURED.read_bytes()
    with pytest.raises(UnicodeDecodeError):
        content.decode()
    records = read_profile(content)
    assert [len(record.text_times_s) for record in records] == [3, 3]
    for record in records:
        assert record.error is None
        assert record.start_s == record.sent_s < record.text_times_s[0]
        assert record.text_times_s[-1] <= record.end_s


def test_the_first_response_with_the_passages_is_not_the_first_text() -> None:
    content = (
        b'{"experiments": [{"requests": [{"timestamp": 1000000000, '
        b'"response_timestamps": [1100000000, 1500000000, 2000000000], '
        b'"response_outputs": [{"ANSWER_DELTA": ""}, {"ANSWER_DELTA": "a"}, {"ANSWER_DELTA": ""}]}]}]}'
    )
    (record,) = read_profile(content)
    assert (record.start_s, record.end_s, *record.text_times_s) == pytest.approx((1.0, 2.0, 1.5))


@pytest.mark.parametrize(
    "content", [b"", b"[]", b'{"experiments": [{}]}', b'{"experiments": [{"requests": [1]}]}']
)
def test_a_profile_of_another_form_is_refused(content: bytes) -> None:
    with pytest.raises(PerfAnalyzerError, match=r"cannot be read.*; see the server's log, or"):
        read_profile(content)


def test_it_measures_as_many_requests_as_asked_for(toy_server: TritonServer, program: PerfAnalyzer) -> None:
    questions = ("one two three four", "five six seven eight")
    records = run_perf_analyzer(
        program, toy_server.grpc_url, questions, concurrency=2, max_tokens=3, requests=6, timeout_s=60
    )
    assert len(records) == 6
    assert {len(record.text_times_s) for record in records} == {3}


def test_a_run_that_fails_says_why_in_one_line(program: PerfAnalyzer) -> None:
    with pytest.raises(PerfAnalyzerError, match=r"perf_analyzer failed \(status \d+\): .") as caught:
        run_perf_analyzer(
            program, "grpc://127.0.0.1:1", ("a",), concurrency=1, max_tokens=1, requests=1, timeout_s=60
        )
    assert "\n" not in str(caught.value)


def test_a_run_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    endless = tmp_path / "perf_analyzer"
    endless.write_text("#!/bin/sh\nexec sleep 1000\n")
    endless.chmod(0o755)
    with pytest.raises(PerfAnalyzerError, match=r"longer than 0\.1 s"):
        run_perf_analyzer(
            PerfAnalyzer(endless, {}, "test"),
            "grpc://a",
            ("a",),
            concurrency=1,
            max_tokens=1,
            requests=1,
            timeout_s=0.1,
        )
