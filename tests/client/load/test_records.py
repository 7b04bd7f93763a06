from triton_rag_client.load import RequestRecord


def test_times_count_from_when_a_request_should_have_been_sent() -> None:
    record = RequestRecord(start_s=10.0, sent_s=10.5, text_times_s=(11.0, 12.0), end_s=13.0)
    assert (record.latency_s, record.first_token_s) == (3.0, 1.0)


def test_time_a_token_leaves_the_first_out() -> None:
    texts = RequestRecord(0.0, 0.0, (1.0, 1.5, 3.0), 3.0)
    assert texts.time_per_token_s == 1.0
    five_tokens = RequestRecord(0.0, 0.0, (1.0, 1.5, 3.0), 3.0, answer_tokens=5)
    assert five_tokens.time_per_token_s == 0.5


def test_an_answer_of_one_token_or_none_has_no_time_a_token() -> None:
    assert RequestRecord(0.0, 0.0, (1.0,), 1.0, answer_tokens=1).time_per_token_s is None
    failed = RequestRecord(0.0, 0.0, (), 1.0, error="ServerError")
    assert (failed.time_per_token_s, failed.first_token_s) == (None, None)
