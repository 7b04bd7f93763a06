"""All four shells (blocking and async, gRPC and HTTP) against real servers: same questions, same results."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scripted_servers.script import (
    ScriptedError,
    answer_outputs,
    delta_outputs,
    embedding_outputs,
    passage_outputs,
    texts,
)
from triton_rag_client import (
    Answer,
    ClientSetupError,
    InvalidRequestError,
    Passage,
    ProtocolError,
    RowsRefusedError,
    TokenLogprob,
)


def test_ask_gives_the_answer_with_its_passages(ask_with, script):
    script.infer = lambda seen: answer_outputs("Zürich 🏔")
    passages = (Passage("a", "a", "a", "a", 1.0), Passage("b", "b", "b", "b", 0.5))
    assert ask_with().call("ask", "Where?") == Answer("Zürich 🏔", passages, 1, "stop", 7, 2)


def test_options_arrive_as_the_tensors_of_the_contract_and_others_do_not(ask_with, script):
    script.infer = lambda seen: answer_outputs("")
    options = {
        "retriever": "bm25",
        "passages_k": 3,
        "max_tokens": 9,
        "temperature": 0.5,
        "top_k": 40,
        "top_p": 0.75,
        "min_tokens": 2,
        "repetition_penalty": 1.25,
        "logprobs": True,
        "beams": 4,
        "length_penalty": 0.5,
    }
    lists = {"stop": ["\n", "ü"], "stop_tokens": [2, 0]}
    ask_with().call("ask", "q ü", **options, **lists, seed=2**63 - 1)
    (seen,) = script.requests
    assert seen.model == "rag"
    assert seen.inputs == {
        "QUERY": ["q ü"],
        **{name.upper(): [value] for name, value in options.items()},
        "SEED": [2**63 - 1],
        "STOP": ["\n", "ü"],
        "STOP_TOKENS": [2, 0],
    }
    script.requests.clear()
    ask_with().call("ask", "q", seed=None)
    assert script.requests[0].inputs == {"QUERY": ["q"]}


def test_stream_gives_passages_first_and_the_finish_reason_last(ask_with, script):
    script.stream = lambda seen: delta_outputs("Ein ", "Wört", "chen 🧪\u2028")
    options = {"max_tokens": 3, "stop": ["x"], "stop_tokens": [4, 5], "temperature": 0.25, "logprobs": True}
    deltas = ask_with().deltas("q", **options, seed=2**63 - 1)
    assert [delta.text for delta in deltas] == ["Ein ", "Wört", "chen 🧪\u2028"]
    assert [len(delta.passages) for delta in deltas] == [2, 0, 0]
    assert [delta.finish_reason for delta in deltas] == [None, None, "stop"]
    assert deltas[-1].answer_tokens == 3
    inputs = script.requests[0].inputs
    values = {name: value if isinstance(value, list) else [value] for name, value in inputs.items()}
    assert values == {
        "QUERY": ["q"],
        "MAX_TOKENS": [3],
        "STOP": ["x"],
        "STOP_TOKENS": [4, 5],
        "TEMPERATURE": [0.25],
        "LOGPROBS": [True],
        "SEED": [2**63 - 1],
    }


def test_log_probabilities_come_with_the_answer_and_with_the_delta_of_their_tokens(ask_with, script):
    script.infer = lambda seen: answer_outputs("x", logprobs={5: -0.5, 9: 0.0})
    answer = ask_with().call("ask", "q", logprobs=True)
    assert answer.logprobs == (TokenLogprob(5, -0.5), TokenLogprob(9, 0.0))
    script.infer = lambda seen: answer_outputs(
        "x", logprobs={-1: 0.0}
    )  # as `answer` says that there are none
    assert ask_with().call("ask", "q").logprobs == ()
    given = [{}, {5: -1.0}, {6: -0.5, 7: -8.25}]
    script.stream = lambda seen: (answer_outputs("x", logprobs=each, is_delta=True) for each in given)
    deltas = ask_with().deltas("q", logprobs=True)
    assert [{each.token_id: each.logprob for each in delta.logprobs} for delta in deltas] == given


def test_retrieve_leaves_out_the_padding_of_short_rows(ask_with, script):
    script.infer = lambda seen: {**passage_outputs(["a", "b"], ["c", ""]), "ERROR": texts([""], [""])}
    first, second = ask_with().call("retrieve", ["q1", "q2"], passages_k=2)
    assert [passage.id for passage in first] == ["a", "b"]
    assert [passage.id for passage in second] == ["c"]
    assert script.requests[0].inputs == {"QUERY": ["q1", "q2"], "PASSAGES_K": [2, 2]}


def test_one_query_gives_one_result_and_a_list_gives_a_list(ask_with, script):
    script.infer = embedding_outputs
    asker = ask_with()
    assert asker.call("embed", "q").shape == (3,)
    assert asker.call("embed", ["q"]).shape == (1, 3)
    assert asker.call("embed", ["q"] * 130).shape == (130, 3)
    assert [len(seen.inputs["QUERY"]) for seen in script.requests] == [1, 1, 64, 64, 2]
    assert asker.call("embed", []).shape == (0, 0)
    assert asker.call("retrieve", []) == ()


@pytest.mark.parametrize(("max_rows", "sizes"), [(1, [1] * 5), (2, [2, 2, 1]), (1024, [5])])
def test_a_list_is_sent_in_requests_as_large_as_the_server_takes(ask_with, script, max_rows, sizes):
    script.infer, script.max_rows = embedding_outputs, max_rows
    asker = ask_with()
    for _ in range(2):
        script.requests.clear()
        assert asker.call("embed", ["q"] * 5).shape == (5, 3)
        assert [len(seen.inputs["QUERY"]) for seen in script.requests] == sizes
    assert script.configs_asked == 1


def test_a_server_that_does_not_tell_its_configuration_gets_what_the_contract_says(ask_with, script):
    script.infer, script.max_rows = embedding_outputs, None
    asker = ask_with()
    for _ in range(2):
        assert asker.call("embed", ["q"] * 65).shape == (65, 3)
    assert [len(seen.inputs["QUERY"]) for seen in script.requests] == [64, 1, 64, 1]
    assert script.configs_asked == 1


def test_a_server_that_takes_fewer_rows_than_before_is_asked_again(ask_with, script):
    def at_most(seen):
        if len(seen.inputs["QUERY"]) > script.max_rows:
            raise ScriptedError(
                "INVALID_ARGUMENT", f"inference request batch-size must be <= {script.max_rows}"
            )
        return embedding_outputs(seen)

    script.infer = at_most
    asker = ask_with()
    asker.call("embed", ["q"] * 5)
    script.max_rows = 2
    with pytest.raises(InvalidRequestError, match="batch-size must be <= 2"):
        asker.call("embed", ["q"] * 5)
    assert asker.call("embed", ["q"] * 5).shape == (5, 3)


def test_a_single_query_asks_nothing_before(ask_with, script):
    script.infer = embedding_outputs
    ask_with().call("embed", "q")
    assert script.configs_asked == 0


def test_a_refused_row_does_not_lose_its_neighbours(ask_with, script):
    script.infer = embedding_outputs
    with pytest.raises(RowsRefusedError, match="1 of 66 rows were refused") as caught:
        ask_with().call("embed", ["q"] * 65 + [""])
    assert caught.value.errors == {65: "QUERY is ''"}
    assert caught.value.results[65] is None
    assert caught.value.results[64].tolist() == [0.0, 1.0, 2.0]


def test_a_request_whose_rows_are_all_refused_does_not_lose_the_rows_of_others(ask_with, script):
    script.infer = embedding_outputs
    with pytest.raises(RowsRefusedError) as caught:
        ask_with().call("embed", ["q"] * 64 + ["", ""])
    assert set(caught.value.errors) == {64, 65}
    with pytest.raises(InvalidRequestError, match=r"^QUERY is '': allowed are 1 to 8192 characters$"):
        ask_with().call("embed", "")


def test_headers_are_sent_with_every_request(ask_with, script):
    script.infer, script.stream = embedding_outputs, lambda seen: delta_outputs("x")
    asker = ask_with(headers={"Authorization": "Bearer x", "X-Tenant": "7"})
    asker.call("embed", "q")
    asker.deltas("q")
    assert all(seen.headers["authorization"] == "Bearer x" for seen in script.requests)
    assert [seen.headers["x-tenant"] for seen in script.requests] == ["7", "7"]


def test_ready_is_a_statement_about_the_server_and_never_an_error(ask_with, script):
    asker = ask_with()
    assert asker.call("ready") is True
    script.is_ready = False
    assert asker.call("ready") is False


def test_metadata_says_who_the_server_is(ask_with):
    metadata = ask_with().call("metadata")
    assert (metadata.name, metadata.version, metadata.extensions) == ("triton", "2.51.0", ("parameters",))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"ANSWER": None}, "lacks ANSWER"),
        ({"ANSWER": np.ones((1, 1), np.int32)}, r"ANSWER \(INT32, shape \[1, 1\]\) should be BYTES"),
        ({"ANSWER": texts(["x", "y"])}, "should be BYTES with rows of shape"),
        ({"ANSWER": texts(["x"], ["y"])}, r"has shape \[2, 1\], but 1 rows"),
        ({"ANSWER": np.array([[b"\xff"]], dtype=np.object_)}, "cannot be read"),
        ({"PASSAGE_ID": texts(["a", "b", "c"])}, "do not fit together"),
        ({"TOKEN_IDS": np.array([[1, 2]], np.int32)}, "2 tokens, but log-probabilities of 0"),
    ],
)
def test_a_reply_against_the_contract_is_refused(ask_with, script, change, said):
    outputs = {name: value for name, value in {**answer_outputs("x"), **change}.items() if value is not None}
    script.infer = lambda seen: outputs
    with pytest.raises(ProtocolError, match=said):
        ask_with().call("ask", "q")


def test_values_that_cannot_be_sent_are_refused_before_they_are(ask_with, script):
    asker = ask_with()
    for options, said in (
        ({"max_tokens": 2**31}, "MAX_TOKENS is 2147483648: it must be between"),
        ({"max_tokens": True}, "MAX_TOKENS is True: it must be a whole number"),
        ({"max_tokens": 1.5}, "MAX_TOKENS is 1.5: it must be a whole number"),
        ({"seed": 2**63}, "SEED is 9223372036854775808"),
        ({"temperature": math.nan}, "TEMPERATURE is nan: it must be a finite number"),
        ({"temperature": "hot"}, "TEMPERATURE is 'hot': it must be a number"),
        ({"stop": "x"}, "STOP is 'x': it must be a list"),
        ({"stop": [b"x"]}, "STOP is b'x': it must be a string"),
        ({"stop_tokens": 5}, "STOP_TOKENS is 5: it must be a list"),
        ({"stop_tokens": ["x"]}, "STOP_TOKENS is 'x': it must be a whole number"),
        ({"logprobs": 1}, "LOGPROBS is 1: it must be True or False"),
        ({"retriever": 3}, "RETRIEVER is 3: it must be a string"),
    ):
        with pytest.raises(InvalidRequestError, match=said):
            asker.call("ask", "q", **options)
    with pytest.raises(InvalidRequestError, match="QUERY is '\\\\ud800': it has lone surrogates"):
        asker.call("embed", "\ud800")
    with pytest.raises(TypeError, match="'max_token' is not an option of rag; its options: retriever"):
        asker.call("ask", "q", max_token=3)
    assert script.requests == []


@pytest.mark.parametrize("timeout_s", [0, -1, math.nan, math.inf])
def test_a_timeout_is_a_number_above_zero(ask_with, timeout_s):
    with pytest.raises(ClientSetupError, match="timeout_s is"):
        ask_with(timeout_s=timeout_s)
