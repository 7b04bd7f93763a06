"""Options of generation on a real Triton: the way from the client through every model, and back."""

import httpx2
import numpy as np
import pytest
from integration.raw_requests import Ask, Refusal, text_rows
from triton_rag_client import RagClient
from triton_rag_server import TritonServer

pytestmark = pytest.mark.integration

QUESTION = "How do I join two path components?"
SHORT = {"max_tokens": 24}


def token_ids(client: RagClient, **options: object) -> list[int]:
    return [each.token_id for each in client.ask(QUESTION, **SHORT, logprobs=True, **options).logprobs]


def test_an_answer_and_its_deltas_carry_the_same_log_probabilities(client: RagClient) -> None:
    answer = client.ask(QUESTION, **SHORT, logprobs=True)
    deltas = list(client.stream(QUESTION, **SHORT, logprobs=True))
    assert len(answer.logprobs) == answer.answer_tokens
    assert all(each.logprob <= 0 for each in answer.logprobs)
    assert tuple(each for delta in deltas for each in delta.logprobs) == answer.logprobs
    known = 0
    for delta in deltas:
        known += len(delta.logprobs)
        assert known == delta.answer_tokens


def test_whoever_does_not_ask_gets_the_same_answer_without_log_probabilities(client: RagClient) -> None:
    asked = client.ask(QUESTION, **SHORT, logprobs=True)
    for plain in (client.ask(QUESTION, **SHORT), client.ask(QUESTION, **SHORT, logprobs=False)):
        assert plain.logprobs == ()
        assert plain.text == asked.text
    assert all(delta.logprobs == () for delta in client.stream(QUESTION, **SHORT))


def test_a_penalty_on_repetition_changes_the_answer(client: RagClient) -> None:
    plain, penalized = client.ask(QUESTION, **SHORT), client.ask(QUESTION, **SHORT, repetition_penalty=2.0)
    assert penalized.text != plain.text
    streamed = "".join(delta.text for delta in client.stream(QUESTION, **SHORT, repetition_penalty=2.0))
    assert streamed == penalized.text
    assert client.ask(QUESTION, **SHORT, repetition_penalty=1.0) == plain


def test_a_stop_token_ends_the_answer_before_it(client: RagClient) -> None:
    tokens = token_ids(client)
    stop = tokens[5]
    before = tokens.index(stop)
    cut = client.ask(QUESTION, **SHORT, stop_tokens=[stop, 0], logprobs=True)
    assert [each.token_id for each in cut.logprobs] == tokens[:before]
    assert cut.finish_reason == "stop"
    assert client.ask(QUESTION, **SHORT).text.startswith(cut.text)


def test_no_stop_token_comes_before_min_tokens(client: RagClient) -> None:
    stop = token_ids(client)[:4]
    longer = client.ask(QUESTION, **SHORT, stop_tokens=stop, min_tokens=9, logprobs=True)
    assert longer.answer_tokens >= 9
    assert not set(stop) & {each.token_id for each in longer.logprobs}
    deltas = list(client.stream(QUESTION, **SHORT, stop_tokens=stop, min_tokens=9))
    assert "".join(delta.text for delta in deltas) == longer.text


def test_plain_json_gives_every_option_and_gets_log_probabilities(rag_server: TritonServer) -> None:
    options = {"MAX_TOKENS": 8, "MIN_TOKENS": 8, "REPETITION_PENALTY": 1.5, "STOP_TOKENS": [0, 1]}
    response = httpx2.post(
        f"{rag_server.http_url}/v2/models/rag/generate",
        json={"QUERY": QUESTION, "LOGPROBS": True, **options},
        timeout=120,
    )
    reply = response.json()
    assert response.status_code == 200, reply
    assert reply["ANSWER_TOKENS"] == len(reply["TOKEN_IDS"]) == len(reply["TOKEN_LOGPROBS"]) == 8
    assert all(logprob <= 0 for logprob in reply["TOKEN_LOGPROBS"])


@pytest.mark.parametrize("model", ["rag", "rag_stream"])
@pytest.mark.parametrize(
    ("option", "value", "allowed"),
    [
        pytest.param("MIN_TOKENS", [-1], "0 to", id="MIN_TOKENS=-1"),
        pytest.param("MIN_TOKENS", [2**31 - 1], "(MAX_TOKENS)", id="MIN_TOKENS huge"),
        pytest.param("REPETITION_PENALTY", [0.0], "0.1 to 10", id="REPETITION_PENALTY=0"),
        pytest.param("REPETITION_PENALTY", [float("nan")], "0.1 to 10", id="REPETITION_PENALTY NaN"),
        pytest.param("STOP_TOKENS", [1, 2**31 - 1], "token ids from 0 to", id="STOP_TOKENS unknown"),
        pytest.param("STOP_TOKENS", [-5], "whole numbers from 0", id="STOP_TOKENS negative"),
        pytest.param("STOP_TOKENS", list(range(17)), "at most 16", id="STOP_TOKENS many"),
        pytest.param("BEAMS", [9], "1 to 8", id="BEAMS many"),
        pytest.param("BEAMS", [2], "1 with a causal model", id="BEAMS of a causal model"),
        pytest.param("LENGTH_PENALTY", [6.0], "-2 to 5", id="LENGTH_PENALTY=6"),
    ],
)
def test_an_option_out_of_range_is_refused_by_name(
    ask: Ask, model: str, option: str, value: list[float], allowed: str
) -> None:
    dtype = np.float32 if option.endswith("_PENALTY") else np.int32
    answer = ask(model, {"QUERY": text_rows(QUESTION), option: np.array([value], dtype)})
    assert isinstance(answer, Refusal)
    assert answer.status in ("INVALID_ARGUMENT", "")  # an error inside a gRPC stream has no status
    assert option in answer.message
    assert allowed in answer.message
