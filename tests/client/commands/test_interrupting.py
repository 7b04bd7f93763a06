"""Ctrl-C and Ctrl-D, sent to the program itself."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading

import pytest
from scripted_servers.script import Wait, delta_outputs

PROGRAM = [sys.executable, "-c", "from triton_rag_client.main import main; main()"]


def endless(seen):
    yield next(delta_outputs("first words", "never"))
    yield Wait


@pytest.fixture
def program(url):
    running = []

    def start(*words):
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        running.append(subprocess.Popen([*PROGRAM, *words, "--url", url], **pipes, text=True))
        return running[-1]

    yield start
    for process in running:
        process.kill()
        process.communicate()


def test_ctrl_c_stops_ask_and_its_request(program, script):
    script.stream = endless
    process = program("ask", "q")
    assert process.stdout.read(5) == "first"
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 130
    assert script.client_left.wait(30)
    assert "Traceback" not in process.stderr.read()


def test_ctrl_c_stops_an_answer_of_chat_and_ctrl_d_leaves(program, script):
    script.stream = endless
    process = program("chat")
    process.stdin.write("one\n")
    process.stdin.flush()
    assert process.stdout.read(5) == "first"
    process.send_signal(signal.SIGINT)
    assert script.client_left.wait(30)
    script.stream = lambda seen: delta_outputs("the second answer")
    out, err = process.communicate("two\n", timeout=30)
    assert "the second answer" in out
    assert "[1] a  (score 1.000)" in out
    assert "(stopped)" in err
    assert process.returncode == 0


def test_ctrl_c_ends_a_load_test_and_keeps_the_levels_before(program, script, tmp_path):
    second_level = threading.Event()

    def stream(seen):
        if len(script.requests) <= 3:  # the check, a warm-up, the one request of the first level
            yield from delta_outputs("a", "b")
            return
        second_level.set()
        yield from endless(seen)

    script.stream = stream
    file = tmp_path / "results.json"
    words = ("--rate", "5,6", "--seconds", "0.1", "--arrivals", "constant", "--json", str(file))
    process = program("loadtest", *words)
    assert second_level.wait(60)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (130, "")
    assert "5/s constant: " in out
    assert [level["load"]["rate_per_s"] for level in json.loads(file.read_text())["levels"]] == [5]


def test_chat_goes_on_after_an_error(program, script):
    script.stream = lambda seen: iter(())
    out, err = program("chat").communicate("one\n\ntwo\n", timeout=30)
    assert err.count("error: the stream ended before the answer did") == 2
    assert "Traceback" not in out + err


def test_chat_says_at_once_that_there_is_no_server(program, script):
    script.is_ready = False
    process = program("chat")
    _, err = process.communicate("", timeout=30)
    assert process.returncode == 1
    assert "triton-rag serve" in err


def test_ctrl_c_ends_a_comparison_and_keeps_the_complete_rounds(url, program, script, tmp_path):
    second_round = threading.Event()

    def stream(seen):
        if len(script.requests) <= 6:  # of both servers the check, a warm-up and one request
            yield from delta_outputs("a", "b")
            return
        second_round.set()
        yield from endless(seen)

    script.stream = stream
    file = tmp_path / "results.json"
    words = ("--rate", "5", "--seconds", "0.1", "--arrivals", "constant", "--json", str(file))
    process = program("loadtest", url, url, *words)
    assert second_round.wait(60)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (130, "")
    assert "round 1 of 5 is complete" in out
    assert len(json.loads(file.read_text())["rounds"]) == 1
