"""The parts of the demo, over a toy of the pipeline; `make demo` itself runs them over the real one."""

import shlex
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from toy_pipeline import write_toy_pipeline
from triton_rag_client import RagClient
from triton_rag_client.commands import demo, demo_questions
from triton_rag_client.errors import ClientSetupError
from triton_rag_server import TritonServer


@pytest.fixture(scope="module")
def toy_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TritonServer]:
    with TritonServer(write_toy_pipeline(tmp_path_factory.mktemp("toy"))) as server:
        yield server


def test_a_question_is_shown_with_its_answer_and_sources(toy_server, capsys) -> None:
    with RagClient(toy_server.grpc_url) as client:
        asked = demo_questions.ask_and_show(client, "What is this?", 3)
    shown = capsys.readouterr().out
    assert "> What is this?" in shown
    assert "What is this? " in shown
    assert "[1] the only passage" in shown
    assert (asked.answer, asked.sources) == ("What is this? ", ("the only passage",))
    assert 0 < asked.first_text_s <= asked.seconds


@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl on this machine")
def test_the_curl_command_that_is_shown_is_the_one_that_ran(toy_server, capsys) -> None:
    command = demo_questions.curl_and_show(toy_server.http_url, "What's this?", 2)
    shown = capsys.readouterr().out
    assert f"$ {command}" in shown
    assert '"ANSWER":"What\'s this? "' in shown
    assert shlex.split(command)[-1] == '{"QUERY": "What\'s this?", "MAX_TOKENS": 2}'


def test_without_curl_the_command_is_shown_all_the_same(capsys, monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    demo_questions.curl_and_show("http://127.0.0.1:1", "a", 1)
    assert "there is no curl on this machine" in capsys.readouterr().out


def test_the_default_recipe_is_found() -> None:
    assert demo._default_recipe().name == "python-docs.toml"
    assert demo._default_recipe().is_file()


def test_a_build_that_fails_names_the_command_to_try_alone(tmp_path: Path) -> None:
    with pytest.raises(ClientSetupError, match=r"status 1\); try it alone: .* build .*nothing\.toml --out"):
        demo._build(tmp_path / "nothing.toml", tmp_path / "out")


def test_the_way_on_begins_where_the_commands_are_found(capsys, monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.chdir(Path(sys.prefix).parent)
    demo._how_to_go_on(Path("build/python-docs"))
    first, *others = capsys.readouterr().out.strip().splitlines()[1:]
    assert first.split() == ["first", "source", f"{Path(sys.prefix).name}/bin/activate"]
    assert others[0].split()[-3:] == ["triton-rag", "serve", "build/python-docs"]
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent))
    demo._how_to_go_on(Path("build/python-docs"))
    assert "source" not in capsys.readouterr().out


def test_it_says_who_put_the_load_on() -> None:
    assert demo._load_generator("none for this machine", ()) == (
        "Measured by our own load generator: none for this machine."
    )
