"""`triton-rag loadtest A B` and `--against naive`: running servers, served folders, and what is refused."""

from __future__ import annotations

import json
import shutil

import pytest
from scripted_servers.script import delta_outputs
from toy_pipeline import write_toy_pipeline
from triton_rag_client.commands import contestants

SHORT = ("--concurrency", "1,2", "--seconds", "0.1", "--max-tokens", "3")

NAIVE_SERVER = """
import http.server, json, sys

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.reply({"ready": True})

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        answer = {"answer": f"{asked['max_tokens']} words", "passages": [], "finish_reason": "stop"}
        self.reply({**answer, "prompt_tokens": 5, "answer_tokens": 3})

    def reply(self, content):
        body = json.dumps(content).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *words):
        pass

port = int(sys.argv[sys.argv.index("--port") + 1])
http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()
"""


@pytest.fixture
def answering(script, url):
    script.stream = lambda seen: delta_outputs("a", "b", "c")
    return url


@pytest.fixture
def repository(tmp_path):
    folder = write_toy_pipeline(tmp_path / "toy")
    (folder / "manifest.json").write_text("{}")
    return folder


@pytest.fixture
def naive_script(monkeypatch, tmp_path):
    """Puts another program in the place of the naive server, which needs its models and minutes."""

    def put(text):
        script = tmp_path / "clone" / "benchmarks" / "naive_server.py"
        script.parent.mkdir(parents=True)
        script.write_text(text)
        monkeypatch.setattr(contestants, "__file__", str(tmp_path / "clone" / "a" / "b" / "c" / "d.py"))

    return put


def test_running_servers_are_compared_by_rounds(command_line, answering, tmp_path):
    file = tmp_path / "new" / "results.json"
    words = (answering, answering, "--rounds", "3", *SHORT, "--json", str(file))
    code, out, err = command_line("loadtest", *words)
    assert (code, err) == (0, "")
    assert "round 3 of 3 is complete" in out
    assert "95% interval" in out
    content = json.loads(file.read_text(), parse_constant=pytest.fail)
    assert (content["first"], content["second"], len(content["rounds"])) == (answering, answering, 3)
    assert [level["load"] for level in content["rounds"][0]["first"]] == [
        {"concurrency": 1},
        {"concurrency": 2},
    ]
    for found in content["ratios"]:
        assert found["ratio"]["low"] <= found["ratio"]["ratio"] <= found["ratio"]["high"]
        assert found["ratio"]["rounds"] == 3


def test_an_error_in_a_later_round_leaves_the_rounds_before(command_line, answering, script, tmp_path):
    file = tmp_path / "results.json"
    script.stream = lambda seen: delta_outputs("a")
    words = ("--rate", "5,1000000", "--arrivals", "constant", "--seconds", "0.1", "--rounds", "2")
    code, out, err = command_line("loadtest", answering, answering, *words, "--json", str(file))
    assert code == 1
    assert "it cannot send this rate from here" in err
    assert "no round is complete" in out
    assert json.loads(file.read_text())["ratios"] == []


def test_folders_are_served_for_the_test_alone_or_in_turn(command_line, repository, tmp_path):
    assert command_line("loadtest", str(repository), *SHORT).code == 0
    other = shutil.copytree(repository, tmp_path / "other")
    words = (str(repository), str(other), "--rounds", "1", *SHORT)
    code, out, _ = command_line("loadtest", *words)
    assert code == 0
    assert f"A is {repository}, B is {other}" in out
    assert "one round: no interval" in out


def test_against_naive_the_ratio_is_that_of_the_repository_to_the_naive_server(
    command_line, repository, naive_script, tmp_path
):
    naive_script(NAIVE_SERVER)
    file = tmp_path / "results.json"
    words = (str(repository), "--against", "naive", "--rounds", "1", *SHORT, "--json", str(file))
    code, out, _ = command_line("loadtest", *words)
    assert code == 0
    assert f"A is naive, B is {repository}" in out
    (found,) = json.loads(file.read_text())["rounds"]
    assert all(level["summary"]["errors"] == {} for level in (*found["first"], *found["second"]))
    assert found["first"][0]["summary"]["prompt_tokens"]["p50"] == 5


def test_a_naive_server_that_ends_shows_its_last_lines(command_line, repository, naive_script):
    naive_script("raise SystemExit('no memory left for the vectors')")
    code, _, err = command_line("loadtest", str(repository), "--against", "naive", *SHORT)
    assert code == 1
    assert "the naive server ended with status 1; its last lines:\nno memory left for the vectors" in err


def test_an_installed_wheel_says_where_the_naive_server_is(command_line, repository, monkeypatch):
    monkeypatch.setattr(contestants, "__file__", "/nowhere/a/b/c/contestants.py")
    code, _, err = command_line("loadtest", str(repository), "--against", "naive", *SHORT)
    assert code == 1
    assert "needs benchmarks/naive_server.py, which only a clone of triton-rag has" in err


def test_packages_that_the_naive_server_lacks_are_named(command_line, repository, monkeypatch):
    monkeypatch.setattr(contestants, "_NEEDED", ("json", "no_such_package"))
    code, _, err = command_line("loadtest", str(repository), "--against", "naive", *SHORT)
    assert code == 1
    assert "--against naive needs no_such_package, not installed: pip install" in err
    assert "benchmark]'" in err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("/nowhere",), "/nowhere is neither a folder nor an address"),
        (("grpc://a:1", "grpc://b:1", "grpc://c:1"), "3 servers are given: allowed are one, or two"),
        (("--against", "naive"), "--against naive is given grpc://127.0.0.1:8001: it takes one folder"),
        ((".", ".", "--against", "naive"), "--against naive is given . and .: it takes one folder"),
        (("/nowhere", "--against", "naive"), "--against naive is given /nowhere: it takes models"),
        (("grpc://a:1", "grpc://b:1", "--slo", "p95<1s"), "--slo alone searches the highest rate of one"),
        (("grpc://127.0.0.1:1", "grpc://127.0.0.1:1"), "`triton-rag serve DIR` starts a server"),
    ],
)
def test_what_cannot_be_compared_is_said(command_line, words, message):
    code, _, err = command_line("loadtest", *words)
    assert code == 1
    assert message in err
