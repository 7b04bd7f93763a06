"""The whole way of a query on a real Triton: every ensemble, every protocol, the same facts."""

import json

import httpx2
import numpy as np
import pytest
from triton_rag_client import RagClient, RowsRefusedError
from triton_rag_server import TritonServer

pytestmark = pytest.mark.integration

QUESTION = "How do I join two path components?"
NO_WORD = "zzzqqqxxy"  # is in no passage


def test_an_answer_carries_its_passages_and_counts(client: RagClient) -> None:
    answer = client.ask(QUESTION, max_tokens=24)
    assert answer.text.strip()
    assert any(passage.title == "os.path.join" for passage in answer.passages)
    assert 1 <= answer.passages_used <= len(answer.passages)
    assert answer.finish_reason in ("stop", "length")
    assert answer.prompt_tokens > 50
    assert 1 <= answer.answer_tokens <= 24


def test_a_stream_gives_the_passages_first_and_then_the_same_answer(client: RagClient) -> None:
    answer = client.ask(QUESTION, max_tokens=24)
    deltas = list(client.stream(QUESTION, max_tokens=24))
    assert "".join(delta.text for delta in deltas) == answer.text
    assert deltas[0].passages == answer.passages
    assert all(not delta.passages for delta in deltas[1:])
    assert [delta.finish_reason for delta in deltas if delta.finish_reason] == [answer.finish_reason]
    assert deltas[-1].answer_tokens == answer.answer_tokens
    assert deltas[0].answer_tokens < answer.answer_tokens  # it did not wait for the whole answer


def test_both_protocols_answer_alike(rag_server: TritonServer) -> None:
    with RagClient(rag_server.grpc_url) as grpc_client, RagClient(rag_server.http_url) as http_client:
        assert grpc_client.ask(QUESTION, max_tokens=16) == http_client.ask(QUESTION, max_tokens=16)
        assert grpc_client.retrieve(QUESTION, passages_k=7) == http_client.retrieve(QUESTION, passages_k=7)
        assert np.array_equal(grpc_client.embed(QUESTION), http_client.embed(QUESTION))


@pytest.mark.parametrize("retriever", ["dense", "bm25", "hybrid"])
def test_each_retriever_finds_the_passage(client: RagClient, retriever: str) -> None:
    passages = client.retrieve("os.path.join", retriever=retriever, passages_k=5)
    assert len(passages) == 5
    assert "os.path.join" in [passage.title for passage in passages]
    assert [passage.score for passage in passages] == sorted(
        (passage.score for passage in passages), reverse=True
    )


def test_a_batch_of_queries_gives_each_its_own(client: RagClient) -> None:
    queries = ["sort a list", "open a file for reading", "ein Wörterbuch mit Umlauten 🐍"]
    for query, vector in zip(queries, client.embed(queries), strict=True):
        assert np.array_equal(client.embed(query), vector)


def test_a_refused_query_costs_its_neighbours_nothing(client: RagClient) -> None:
    with pytest.raises(RowsRefusedError) as refused:
        client.embed(["sort a list", "", "open a file for reading"])
    assert list(refused.value.errors) == [1]
    assert "QUERY '' is empty" in refused.value.errors[1]
    first, nothing, last = refused.value.results
    assert nothing is None
    assert np.array_equal(first, client.embed("sort a list"))
    assert np.array_equal(last, client.embed("open a file for reading"))


def test_a_query_that_finds_nothing_is_answered_without_passages(client: RagClient) -> None:
    assert client.retrieve(NO_WORD, retriever="bm25") == ()
    answer = client.ask(NO_WORD, retriever="bm25", max_tokens=4)
    assert (answer.passages, answer.passages_used) == ((), 0)
    assert answer.text
    deltas = list(client.stream(NO_WORD, retriever="bm25", max_tokens=4))
    assert all(delta.passages == () for delta in deltas)
    assert "".join(delta.text for delta in deltas) == answer.text


@pytest.mark.parametrize("query", [NO_WORD, f"splitdrive splitroot {NO_WORD}"])
@pytest.mark.parametrize("path", ["retrieve/generate", "rag/generate", "rag_stream/generate_stream"])
def test_json_has_as_many_passages_as_were_found_and_no_nan(
    rag_server: TritonServer, path: str, query: str
) -> None:
    body = {"QUERY": query, "RETRIEVER": "bm25", "PASSAGES_K": 20}
    if not path.startswith("retrieve"):
        body["MAX_TOKENS"] = 2
    response = httpx2.post(f"{rag_server.http_url}/v2/models/{path}", json=body, timeout=120)
    first = response.text.removeprefix("data: ").splitlines()[0]
    reply = json.loads(first, parse_constant=lambda name: pytest.fail(f"{name} in {first}"))
    found = [reply[f"PASSAGE_{name}"] for name in ("ID", "TITLE", "SOURCE", "TEXT", "SCORE")]
    columns = [column if isinstance(column, list) else [column] for column in found]  # Triton unpacks one
    count = len(columns[0])
    assert (count == 0) == (query == NO_WORD)
    assert count < 20
    assert [len(column) for column in columns] == [count] * 5
    assert all(columns[0])


def test_the_same_seed_gives_the_same_answer_and_another_seed_another(client: RagClient) -> None:
    def sampled(seed: int) -> str:
        return client.ask(QUESTION, max_tokens=32, temperature=1.2, seed=seed).text

    assert sampled(7) == sampled(7)
    assert len({sampled(seed) for seed in range(4)}) > 1


def test_a_stop_string_ends_the_answer_before_it(client: RagClient) -> None:
    whole = client.ask(QUESTION, max_tokens=24).text
    stop = whole.split()[2]
    cut = client.ask(QUESTION, max_tokens=24, stop=[stop])
    assert cut.text == whole[: whole.index(stop)]
    assert cut.finish_reason == "stop"


def test_generate_answers_plain_json(rag_server: TritonServer) -> None:
    response = httpx2.post(
        f"{rag_server.http_url}/v2/models/rag/generate",
        json={"QUERY": QUESTION, "MAX_TOKENS": 8, "PASSAGES_K": 2},
        timeout=120,
    )
    reply = response.json()
    assert response.status_code == 200, reply
    assert reply["ANSWER"]
    assert len(reply["PASSAGE_TITLE"]) == 2
    assert reply["FINISH_REASON"] == "length"
    assert reply["ANSWER_TOKENS"] == 8


def test_generate_stream_sends_server_sent_events(rag_server: TritonServer) -> None:
    with httpx2.stream(
        "POST",
        f"{rag_server.http_url}/v2/models/rag_stream/generate_stream",
        json={"QUERY": QUESTION, "MAX_TOKENS": 8},
        timeout=120,
    ) as response:
        events = [json.loads(line.removeprefix("data: ")) for line in response.iter_lines() if line]
    assert all("error" not in event for event in events)
    assert events[0]["PASSAGE_ID"]
    assert events[-1]["FINISH_REASON"] == "length"
    assert "".join(event["ANSWER_DELTA"] for event in events).strip()
