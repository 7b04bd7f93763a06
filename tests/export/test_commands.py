"""The commands of export, as a user types them."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from export.conftest import SmallBuild
from export.evaluate.test_evaluate import QUESTIONS, questions_file
from export.small_build import small_recipe
from triton_rag_export import commands
from triton_rag_export.errors import EvaluationError


def test_a_build_says_what_to_do_next(
    small_build: SmallBuild,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("TRITON_RAG_CACHE", str(tmp_path / "cache"))
    small_recipe(small_build.workshop, generator=False)
    commands.build(small_build.workshop / "recipe.toml", tmp_path / "out")
    shown = capsys.readouterr()
    assert f"triton-rag serve {tmp_path / 'out'}" in shown.out
    assert "passages/s" in shown.err


def test_lint_says_that_there_is_nothing_to_say(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    commands.lint(repository)
    assert capsys.readouterr().out == f"{repository}: no faults\n"


def test_lint_names_faults_and_fails(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (repository / "generator/1/model.py").unlink()
    with pytest.raises(typer.Exit) as leaving:
        commands.lint(repository)
    assert leaving.value.exit_code == 1
    assert "generator/1/model.py: is missing; copy it" in capsys.readouterr().out


def test_lint_prints_json_for_programs(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (repository / "embed/config.pbtxt").unlink()
    with pytest.raises(typer.Exit):
        commands.lint(repository, as_json=True)
    rows = json.loads(capsys.readouterr().out)
    assert {"file", "problem", "advice"} == set(rows[0])


def test_evaluate_prints_a_table_and_writes_json(
    small_build: SmallBuild, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    questions, report = questions_file(tmp_path, *QUESTIONS), tmp_path / "report.json"
    commands.evaluate(small_build.report.repository, questions, answers=True, json_file=report)
    shown = capsys.readouterr().out
    assert all(word in shown for word in ("nDCG@10", "MRR", "hybrid", "ROUGE-L"))
    assert json.loads(report.read_text())["questions"] == len(QUESTIONS)


def test_a_report_that_cannot_be_written_is_named(small_build: SmallBuild, tmp_path: Path) -> None:
    questions = questions_file(tmp_path, *QUESTIONS)
    with pytest.raises(EvaluationError, match="cannot be written"):
        commands.evaluate(small_build.report.repository, questions, json_file=tmp_path / "no" / "report.json")


def test_the_commands_are_found_without_importing_what_they_need() -> None:
    code = (
        "import sys, triton_rag_export.commands\n"
        "heavy = {'torch', 'transformers', 'onnx', 'onnxruntime', 'faiss', 'grpc'} & set(sys.modules)\n"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False, timeout=120)
    assert (done.returncode, done.stderr.decode()) == (0, "")


def test_an_error_is_one_line_and_exit_code_one(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "triton_rag_client", "lint", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
