from pathlib import Path

import pytest
from triton_rag_client import PerfAnalyzerError
from triton_rag_client.load import RequestRecord
from triton_rag_client.load.perf_analyzer_profile import read_profile, timed_from_due

CAPTURED = Path(__file__).parent / "captured_profile.json"  # of perf_analyzer 2.46 over a real repository


def test_a_real_profile_is_read_although_it_is_no_utf_8() -> None:
    content = CAPTURED.read_bytes()
    with pytest.raises(UnicodeDecodeError):
        content.decode()
    records = read_profile(content)
    assert [record.query_characters for record in records] == [34, 20]
    assert [len(record.text_times_s) for record in records] == [3, 3]
    for record in records:
        assert record.error is None
        assert record.answer_tokens == 3
        assert record.prompt_tokens is not None
        assert 50 < record.prompt_tokens < 1000
        assert record.start_s == record.sent_s < record.text_times_s[0]
        assert record.text_times_s[-1] <= record.end_s


def test_the_first_response_with_the_passages_is_not_the_first_text() -> None:
    content = (
        b'{"experiments": [{"requests": [{"timestamp": 1000000000, "request_inputs": {"QUERY": "q"}, '
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


def test_a_number_that_is_written_as_a_number_is_read_too() -> None:
    content = (
        b'{"experiments": [{"requests": [{"timestamp": 1, "request_inputs": {"QUERY": "q"}, '
        b'"response_timestamps": [2], "response_outputs": [{"ANSWER_DELTA": "a", "ANSWER_TOKENS": 300}]}]}]}'
    )
    (record,) = read_profile(content)
    assert (record.answer_tokens, record.prompt_tokens) == (300, None)


def sent(*times_s: float) -> list[RequestRecord]:
    return [RequestRecord(sent_s, sent_s, (), sent_s + 1) for sent_s in times_s]


def test_a_request_that_was_sent_late_is_timed_from_when_it_was_due() -> None:
    records = timed_from_due(sent(100.5, 101.0, 103.0), (0.5, 1.0, 1.5))
    assert [record.start_s for record in records] == [100.5, 101.0, 101.5]
    assert [record.latency_s for record in records] == [1, 1, 2.5]


def test_a_first_request_that_was_late_does_not_set_the_schedule() -> None:
    records = timed_from_due(sent(100.3, 101.0), (0.0, 1.0))
    assert [record.start_s for record in records] == [100.0, 101.0]


def test_a_request_that_is_lost_is_an_error() -> None:
    with pytest.raises(PerfAnalyzerError, match="measured 1 requests, and 2 were due"):
        timed_from_due(sent(1.0), (0.0, 1.0))
