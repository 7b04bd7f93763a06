import pytest
from triton_rag_client import RagClient
from triton_rag_client.errors import ConnectionFailedError
from triton_rag_client.load.stages import ModelStatistics, read_statistics, stage_shares, stage_times
from triton_rag_server import TritonServer

BEFORE = {"rag_stream": ModelStatistics(5, 500), "query_encoder": ModelStatistics(5, 50)}
AFTER = {
    "rag_stream": ModelStatistics(15, 10_500),
    "query_encoder": ModelStatistics(15, 550),
    "passage_search": ModelStatistics(10, 1_500),
    "generator": ModelStatistics(10, 1),  # its execute only hands the request over
    "stream_watch": ModelStatistics(300, 9_000),  # once a response, beside the generator
    "answer": ModelStatistics(0, 0),
}


def test_the_generator_gets_what_the_other_stages_leave() -> None:
    shares = stage_shares(BEFORE, AFTER)
    assert list(shares) == ["generator", "passage_search", "query_encoder"]
    assert shares == pytest.approx({"generator": 0.80, "passage_search": 0.15, "query_encoder": 0.05})


def test_without_requests_there_are_no_shares() -> None:
    assert stage_shares(AFTER, AFTER) == {}
    assert stage_shares({}, {}) == {}


def test_triton_counts_the_requests_of_a_pipeline(toy_server: TritonServer) -> None:
    before = read_statistics(toy_server.grpc_url)
    with RagClient(toy_server.grpc_url) as client:
        for _ in range(3):
            list(client.stream("one two"))
    after = read_statistics(toy_server.grpc_url)
    assert after["rag_stream"].requests - before["rag_stream"].requests == 3
    assert after["rag_stream"].total_ns > before["rag_stream"].total_ns


def test_a_server_that_is_not_there_is_said_so() -> None:
    with pytest.raises(ConnectionFailedError, match=r"127\.0\.0\.1:1 gives no statistics"):
        read_statistics("grpc://127.0.0.1:1")


def test_queue_and_compute_of_a_mean_request_by_stage() -> None:
    before = {"rag_stream": ModelStatistics(1, 100), "query_encoder": ModelStatistics(1, 50, 10)}
    after = {
        "rag_stream": ModelStatistics(11, 10_000_000_100),
        "query_encoder": ModelStatistics(11, 2_000_000_050, 500_000_010),
        "generator": ModelStatistics(10, 1_000_000_000, 1_000_000_000),
    }
    times = stage_times(before, after)
    assert list(times) == ["generator", "query_encoder"]
    assert times["query_encoder"].queue_s == pytest.approx(0.05)
    assert times["query_encoder"].compute_s == pytest.approx(0.15)
    assert times["generator"].queue_s == pytest.approx(0.1)
    assert times["generator"].compute_s == pytest.approx(0.7)
    assert stage_times(after, after) == {}
