"""ask, retrieve and embed against a real small server."""

from __future__ import annotations

import io
import json

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
from triton_rag_client.contract import OPTIONS

EVERY_OPTION = {
    "retriever": "dense",
    "passages_k": 3,
    "max_tokens": 9,
    "temperature": 0.5,
    "top_k": 5,
    "top_p": 0.75,
    "seed": 7,
    "stop": "END",
    "min_tokens": 2,
    "repetition_penalty": 1.25,
    "stop_tokens": 2,
    "logprobs": True,
    "beams": 4,
    "length_penalty": 0.5,
}


def test_ask_streams_the_answer_and_lists_its_sources(command_line, url, script):
    script.stream = lambda seen: delta_outputs("Paris", " [1].")
    code, out, err = command_line("ask", "Where?", "--url", url)
    assert (code, err) == (0, "")
    assert out == "Paris [1].\n\n[1] a  (score 1.000)\n[2] b  (score 0.500)  (did not fit into the prompt)\n"


def test_every_option_of_the_contract_can_be_given_to_ask(command_line, url, script):
    script.infer = lambda seen: answer_outputs("x")
    assert set(EVERY_OPTION) == set(OPTIONS)
    words = []
    for name, value in EVERY_OPTION.items():
        words += (
            [f"--{name.replace('_', '-')}"] if value is True else [f"--{name.replace('_', '-')}", str(value)]
        )
    code, out, _ = command_line("ask", "q", "--json", "--url", url, "--header", "x-tenant: 7", *words)
    assert code == 0
    assert json.loads(out)["passages"][1] == {
        "id": "b",
        "title": "b",
        "source": "b",
        "text": "b",
        "score": 0.5,
    }
    (seen,) = script.requests
    assert seen.inputs == {"QUERY": ["q"], **{name.upper(): [value] for name, value in EVERY_OPTION.items()}}
    assert seen.headers["x-tenant"] == "7"


def test_log_probabilities_are_shown_in_short_or_each_as_json(command_line, url, script):
    script.stream = lambda seen: iter(
        [
            answer_outputs("a", finish_reason="", logprobs={5: -0.5}, is_delta=True),
            answer_outputs("b", logprobs={6: -2.0, 7: -0.125}, is_delta=True),
        ]
    )
    script.infer = lambda seen: answer_outputs("ab", logprobs={5: -0.5})
    shown = command_line("ask", "q", "--logprobs", "--url", url).out
    assert shown.endswith("\nlog-probability of 3 tokens: -0.875 in the mean, -2.000 at least\n")
    found = json.loads(command_line("ask", "q", "--logprobs", "--json", "--url", url).out)
    assert found["logprobs"] == [{"token_id": 5, "logprob": -0.5}]
    assert [seen.inputs["LOGPROBS"] for seen in script.requests] in ([[True]] * 2, [True, [True]])


def test_ask_reads_a_question_from_standard_input(command_line, url, script, monkeypatch):
    script.stream = lambda seen: delta_outputs("x")
    monkeypatch.setattr("sys.stdin", io.StringIO("from a pipe\n"))
    assert command_line("ask", "-", "--url", url).code == 0
    assert script.requests[0].inputs["QUERY"] in (["from a pipe"], "from a pipe")


def test_an_answer_cannot_steer_the_terminal(command_line, url, script):
    script.stream = lambda seen: delta_outputs("a\x1b[2Jb\x9b\r\n\tc")
    assert command_line("ask", "q", "--url", url).out.startswith("a\ufffd[2Jb\ufffd\ufffd\n\tc\n")


def test_an_answer_that_was_cut_says_so(command_line, url, script):
    script.stream = lambda seen: iter([answer_outputs("x", finish_reason="length", is_delta=True)])
    assert "--max-tokens" in command_line("ask", "q", "--url", url).err


@pytest.mark.parametrize("command", ["ask", "retrieve", "embed"])
def test_a_refusal_is_one_line_and_exit_code_1(command_line, url, script, command):
    def refuse(seen):
        raise ScriptedError("INVALID_ARGUMENT", "in ensemble 'x', QUERY is '': 1 to 8192 characters")

    script.infer = script.stream = refuse
    code, out, err = command_line(command, "", "--url", url)
    assert (code, out.strip()) == (1, "")
    assert err == "error: QUERY is '': 1 to 8192 characters\n"


def test_no_server_is_one_line_that_says_what_to_do(command_line):
    code, _, err = command_line("ask", "q", "--url", "grpc://127.0.0.1:9", "--timeout-s", "5")
    assert code == 1
    assert err.count("\n") == 1
    assert "triton-rag serve" in err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--header", "bad"], "write 'Name: value'"),
        (["--url", "ftp://x"], "give grpc://HOST:PORT"),
        (["--timeout-s", "0"], "timeout_s is 0"),
        (["--max-tokens", "9999999999"], "MAX_TOKENS is 9999999999"),
        (["--ca-file", "/nowhere.pem", "--url", "https://localhost"], "/nowhere.pem cannot be read"),
    ],
)
def test_wrong_options_are_told_in_one_line(command_line, words, said):
    code, _, err = command_line("ask", "q", *words)
    assert (code, err.count("\n")) == (1, 1)
    assert said in err


def test_retrieve_shows_a_table_whole_passages_or_json(command_line, url, script):
    script.infer = lambda seen: {**passage_outputs(["a", "b"]), "ERROR": texts([""])}
    table = command_line("retrieve", "q", "--url", url).out
    assert "score" in table
    assert "0.500" in table
    assert (
        "[2] b  (score 0.500, id b, source b)\n    b\n"
        in command_line("retrieve", "q", "--text", "--url", url).out
    )
    found = json.loads(command_line("retrieve", "q", "--json", "--url", url).out)
    assert [passage["id"] for passage in found] == ["a", "b"]


def test_embed_prints_a_line_of_json_for_each_query_and_tells_the_refused_ones(command_line, url, script):
    script.infer = embedding_outputs
    code, out, err = command_line("embed", "a", "", "b", "--json", "--url", url)
    first, second, third = map(json.loads, out.splitlines())
    assert code == 1
    assert first == {"query": "a", "embedding": np.arange(3.0).tolist()}
    assert second == {"query": "", "error": "QUERY is ''"}
    assert third["embedding"] == [6.0, 7.0, 8.0]
    assert err == "error: query 2: QUERY is ''\n"


def test_embed_reads_a_query_a_line(command_line, url, script, monkeypatch):
    script.infer = embedding_outputs
    monkeypatch.setattr("sys.stdin", io.StringIO("one\ntwo\n"))
    code, out, _ = command_line("embed", "-", "--url", url)
    assert code == 0
    assert [line.split(":")[0] for line in out.splitlines()] == ["one", "two"]
