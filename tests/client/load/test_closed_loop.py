from triton_rag_client.load.closed_loop import run_closed_loop
from triton_rag_server import TritonServer

QUESTIONS = ("one two three", "four five six")


def test_every_worker_asks_at_least_once_and_all_is_noted(toy_server: TritonServer) -> None:
    records = run_closed_loop(toy_server.grpc_url, QUESTIONS, concurrency=3, max_tokens=5)
    assert len(records) == 3
    for record in records:
        assert record.error is None
        assert record.responses == 5
        assert record.first_text_s is not None
        assert record.start_s <= record.first_text_s <= record.end_s


def test_it_goes_on_for_as_long_as_it_should(toy_server: TritonServer) -> None:
    records = run_closed_loop(toy_server.grpc_url, QUESTIONS, concurrency=2, max_tokens=2, seconds=0.5)
    assert len(records) > 2
    starts = [record.start_s for record in records]
    assert max(starts) - min(starts) < 0.5


def test_a_request_that_fails_is_noted_with_its_kind() -> None:
    (record,) = run_closed_loop("grpc://127.0.0.1:1", QUESTIONS, concurrency=1, max_tokens=2)
    assert record.error is not None
    assert record.responses == 0
