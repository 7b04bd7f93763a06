"""The root of the command line: what it finds, what it imports, how it fails."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import EntryPoint, EntryPoints

import pytest
from triton_rag_client import command_registry, main
from triton_rag_client.command_registry import find_commands
from triton_rag_server.missing_packages import install_command

HEAVY = (
    "torch",
    "transformers",
    "onnx",
    "onnxruntime",
    "faiss",
    "pandas",
    "grpc",
    "httpx2",
    "tritonclient",
)


@pytest.fixture
def offered(monkeypatch):
    """Entry points that a test offers in the place of the installed ones."""

    def offer(**targets):
        points = [EntryPoint(name, target, "triton_rag.commands") for name, target in targets.items()]
        monkeypatch.setattr(
            command_registry, "entry_points", lambda group: EntryPoints(points).select(group=group)
        )
        find_commands.cache_clear()

    yield offer
    find_commands.cache_clear()


def run(monkeypatch, capsys, *words):
    monkeypatch.setattr(sys, "argv", ["triton-rag", *words])
    with pytest.raises(SystemExit) as left:
        main.main()
    captured = capsys.readouterr()
    return left.value.code or 0, captured.out, captured.err


def test_the_issue_s_commands_are_there():
    assert {"build", "lint", "serve", "ask", "chat", "retrieve", "embed", "doctor"} <= set(find_commands())


def test_help_imports_nothing_heavy():
    script = (
        "import sys; from triton_rag_client.main import main; sys.argv = ['triton-rag', '--help']\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        f"print('LOADED', [name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert "Commands:" in done.stdout
    assert done.stdout.endswith("LOADED []\n")


def test_a_command_of_another_package_is_found_by_its_entry_point(offered, monkeypatch, capsys):
    offered(greet="textwrap:dedent")
    code, out, _ = run(monkeypatch, capsys, "greet", "--help")
    assert code == 0
    assert "greet" in out


def test_a_command_whose_package_is_missing_is_listed_and_says_what_to_install(offered, monkeypatch, capsys):
    offered(build="no_such_package_here.commands:build")
    assert "build" in run(monkeypatch, capsys, "--help")[1]
    code, _, err = run(monkeypatch, capsys, "build", "recipe.toml", "--out", "x")
    assert code == 1
    assert err == (
        "error: 'build' needs the package 'no_such_package_here', which is not installed: "
        f"{install_command('export', 'serve', 'cpu')}\n"
    )


def test_a_package_that_is_missing_only_when_the_command_runs_is_named_too(offered, monkeypatch, capsys):
    offered(build="imports_late:build")

    def build() -> None:
        """Import what is not there."""
        import no_such_package_here  # noqa: F401

    monkeypatch.setitem(sys.modules, "imports_late", type(sys)("imports_late"))
    sys.modules["imports_late"].build = build
    code, _, err = run(monkeypatch, capsys, "build")
    assert (code, err.count("\n")) == (1, 1)
    assert install_command("export", "serve", "cpu") in err


def test_an_error_that_is_nobody_s_purpose_is_not_hidden(offered, monkeypatch):
    offered(fails="operator:not_there")
    monkeypatch.setattr(sys, "argv", ["triton-rag", "fails"])
    with pytest.raises(AttributeError):
        main.main()


def test_an_unknown_command_is_told(monkeypatch, capsys):
    code, _, err = run(monkeypatch, capsys, "bulid")
    assert code == 2
    assert "No such command 'bulid'" in err


def test_the_version_is_the_package_s(monkeypatch, capsys):
    assert run(monkeypatch, capsys, "--version")[1].startswith("triton-rag 0.")
