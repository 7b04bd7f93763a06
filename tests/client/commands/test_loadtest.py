"""`triton-rag loadtest` against a real small server, on each wire."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scripted_servers.script import ScriptedError, delta_outputs, passage_outputs, texts


@pytest.fixture
def answering(script, url):
    """The address of a server that answers each question in three deltas."""
    script.stream = lambda seen: delta_outputs("a", "b", "c")
    return url


def refusing(script, code: str, message: str) -> None:
    def refuse(seen):
        raise ScriptedError(code, message)

    script.stream = refuse


def test_levels_of_a_closed_loop_are_shown_and_written(command_line, answering, script, tmp_path):
    file = tmp_path / "new" / "results.json"
    words = ("--concurrency", "1,2", "--seconds", "0.1", "--max-tokens", "5", "--json", str(file))
    code, out, err = command_line("loadtest", "--url", answering, *words)
    assert (code, err) == (0, "")
    assert "1 at a time" in out
    assert "between tokens" in out
    content = json.loads(file.read_text(), parse_constant=pytest.fail)
    assert [level["load"] for level in content["levels"]] == [{"concurrency": 1}, {"concurrency": 2}]
    for level in content["levels"]:
        assert level["summary"]["errors"] == {}
        assert level["summary"]["answer_tokens"]["p50"] == 3
    assert {seen.inputs["MAX_TOKENS"][0] for seen in script.requests} in ({5}, {(5,)})


def test_an_open_loop_sends_what_is_due_and_counts_goodput(command_line, answering, tmp_path):
    file = tmp_path / "results.json"
    words = ("--rate", "5", "--arrivals", "constant", "--seconds", "0.8", "--slo", "p95<100s,ttft<100s")
    code, _, err = command_line("loadtest", "--url", answering, *words, "--json", str(file))
    assert (code, err) == (0, "")
    content = json.loads(file.read_text())
    (level,) = content["levels"]
    assert level["load"] == {"rate_per_s": 5, "arrivals": "constant", "seed": 0}
    assert level["summary"]["requests"] == 4
    assert level["summary"]["goodput_per_s"] == pytest.approx(level["summary"]["requests_per_s"])
    assert level["summary"]["lag_s"]["count"] == 4
    assert (content["slo"], content["limit"]) == ("p95<100000ms,ttft_p95<100000ms", None)


def test_questions_come_from_a_file(command_line, answering, script, tmp_path):
    file = tmp_path / "mine.jsonl"
    file.write_text('{"question": "mine?"}\n')
    words = ("--concurrency", "1", "--seconds", "0.1", "--questions", str(file))
    assert command_line("loadtest", "--url", answering, *words).code == 0
    assert all(seen.inputs["QUERY"] in (["mine?"], "mine?") for seen in script.requests)


def test_questions_come_from_the_served_corpus(command_line, answering, script, tmp_path):
    script.infer = lambda seen: passage_outputs(["zip takes iterables.", "b"]) | {"ERROR": texts([""])}
    file = tmp_path / "results.json"
    words = ("--concurrency", "1", "--seconds", "0.1", "--questions", "corpus:5", "--json", str(file))
    code, out, err = command_line("loadtest", "--url", answering, *words)
    assert (code, err) == (0, "")
    assert "the corpus gave 2 different questions, not 5" in out
    asked = {str(np.ravel(seen.inputs["QUERY"])[0]) for seen in script.requests if seen.model == "rag_stream"}
    assert asked == {"zip takes iterables.", "b"}
    content = json.loads(file.read_text())
    assert (content["load_generator"], content["distinct_questions"]) == ("", 2)
    assert content["levels"][0]["summary"]["query_characters"]["largest"] == len("zip takes iterables.")
    assert "query, characters" in out


def test_a_perf_analyzer_that_is_too_old_is_refused_before_anything_is_measured(
    command_line, grpc_url, script, tmp_path, monkeypatch
):
    program = tmp_path / "perf_analyzer"
    program.write_text("#!/bin/sh\necho 'Perf Analyzer Version 2.30.0 (commit unknown)'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    code, _, err = command_line("loadtest", "--url", grpc_url, "--generator", "perf_analyzer")
    assert (code, script.requests) == (1, [])
    assert "Version 2.30.0" in err
    assert "needed is 2.46 or newer" in err


def test_failures_are_counted_by_kind_and_not_sent_again(command_line, grpc_url, script, tmp_path):
    def full_from_the_second_on(seen):
        if len(script.requests) > 1:
            raise ScriptedError("UNAVAILABLE", "the queue is full")
        return delta_outputs("a")

    script.stream = full_from_the_second_on
    file = tmp_path / "results.json"
    words = ("--rate", "5", "--arrivals", "constant", "--seconds", "0.8", "--json", str(file))
    assert "4 failed" in command_line("loadtest", "--url", grpc_url, *words).out
    (level,) = json.loads(file.read_text())["levels"]
    assert level["summary"]["errors"] == {"UnavailableError": 4}
    assert len(script.requests) == 1 + 1 + 4  # the check, the warm-up, each once


def test_an_unreachable_server_is_said_before_anything_is_measured(command_line):
    code, out, err = command_line("loadtest", "--url", "grpc://127.0.0.1:1")
    assert (code, out) == (1, "")
    assert "`triton-rag serve DIR` starts a server" in err


def test_a_model_that_is_not_there_is_said_once(command_line, grpc_url, script):
    refusing(script, "NOT_FOUND", "Request for unknown model: 'rag_stream' is not found")
    code, out, err = command_line("loadtest", "--url", grpc_url)
    assert (code, out) == (1, "")
    assert "rag_stream" in err
    assert len(script.requests) == 1


def test_targets_that_cannot_be_kept_are_said_at_once(command_line, answering, script):
    code, _, err = command_line("loadtest", "--url", answering, "--slo", "p95<1us", "--seconds", "1")
    assert code == 1
    assert "p95<0.001ms can be kept at no rate" in err
    assert len(script.requests) == 1 + 5


def test_a_search_says_the_limit_how_sure_it_is_and_measures_there(command_line, grpc_url, script, tmp_path):
    def exhausted_after_the_first_rate(seen):
        if len(script.requests) > 1 + 5 + 1:  # the check, the idle service, one run of one request
            raise ScriptedError("UNAVAILABLE", "no more")
        script.test_ended.wait(0.1)  # a first rate of 5/s or less: one request in a tenth of a second
        return delta_outputs("a", "b")

    script.stream = exhausted_after_the_first_rate
    file = tmp_path / "results.json"
    words = ("--slo", "tpot<10s", "--repeats", "1", "--seconds", "0.1", "--arrivals", "constant")
    code, out, err = command_line("loadtest", "--url", grpc_url, *words, "--json", str(file))
    assert (code, err) == (0, "")
    content = json.loads(file.read_text())
    limit = content["limit"]
    assert [trial["kept"] for trial in limit["trials"][:2]] == [1, 0]
    assert limit["rate_per_s"] == limit["trials"][0]["rate_per_s"] <= 5
    assert limit["rate_per_s"] < limit["missed_at_per_s"] <= limit["rate_per_s"] * 1.05
    assert limit["sureness"] == (3 / 4) ** 2
    assert f"tpot_p95<10000ms is kept up to {limit['rate_per_s']:.4g} requests/s and no more at " in out
    assert "(sure to 56%)" in out
    assert "kept in 0 of 1 runs: tpot_p95 is endless (failed)" in out
    assert content["levels"][0]["load"]["rate_per_s"] == limit["rate_per_s"]


def test_a_rate_that_cannot_be_sent_is_refused_and_the_level_before_is_kept(
    command_line, answering, tmp_path
):
    file = tmp_path / "results.json"
    words = ("--rate", "5,1000000", "--arrivals", "constant", "--seconds", "0.1", "--json", str(file))
    code, out, err = command_line("loadtest", "--url", answering, *words)
    assert code == 1
    assert "it cannot send this rate from here, so that there is no result" in err
    assert "5/s constant: " in out
    assert len(json.loads(file.read_text())["levels"]) == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--concurrency", "0"), "--concurrency is '0': allowed are whole numbers from 1 to 4096"),
        (("--concurrency", "1.5"), "--concurrency is '1.5'"),
        (("--rate", "1,,2"), "--rate is '1,,2': allowed are requests a second above 0"),
        (("--rate", "inf"), "--rate is 'inf'"),
        (("--rate", "nan"), "--rate is 'nan'"),
        (("--slo", "p95"), "--slo has 'p95', which is no target"),
        (("--slo", "p95<1s", "--repeats", "2"), "--repeats is 2: allowed are odd numbers"),
        (("--questions", "/nowhere.jsonl"), "/nowhere.jsonl cannot be read"),
        (("--questions", "corpus:0"), "--questions is 'corpus:0': allowed are corpus:1 to corpus:10000"),
        (("--questions", "corpus:x.jsonl"), "or a file (./corpus:x.jsonl where it has this name)"),
        (("--generator", "perf_analyzer", "--slo", "p95<1s"), "cannot search for --slo"),
        (("--generator", "perf_analyzer", "--header", "a: b"), "sends no --header over gRPC"),
        (("--generator", "perf_analyzer", "--url", "http://127.0.0.1:1"), "streams over grpc:// alone"),
        (("--header", "nonsense"), "--header 'nonsense' is not a header"),
    ],
)
def test_bad_input_names_the_option_and_what_is_allowed(command_line, words, message):
    code, _, err = command_line("loadtest", "--url", "grpc://127.0.0.1:1", *words)
    assert code == 1
    assert message in err
