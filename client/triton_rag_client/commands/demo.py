"""`triton-rag demo`: build the default recipe, serve it, question it, load it, and say how to go on."""

import importlib.util
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from triton_rag_server import TritonServer
from triton_rag_server.missing_packages import install_command

from triton_rag_client.client import RagClient
from triton_rag_client.commands.demo_questions import QUESTIONS, ask_and_show, curl_and_show
from triton_rag_client.commands.given_command import given_command
from triton_rag_client.commands.show_tables import show_tables
from triton_rag_client.commands.start_display import StartDisplay
from triton_rag_client.errors import ClientSetupError
from triton_rag_client.load import (
    ClosedLoop,
    LevelResult,
    PerfAnalyzer,
    find_perf_analyzer,
    measure_level_anyhow,
    python_questions,
    question_shares,
    service_at,
)
from triton_rag_client.load.histograms import require_histograms
from triton_rag_client.load.machine import Machine
from triton_rag_client.load.results import AskedQuestion, LoadTestResults
from triton_rag_client.load.server_facts import read_server_facts
from triton_rag_client.load.tables import level_table, stage_table
from triton_rag_client.load_report import require_report_packages, write_report

__all__ = ["demo"]

CONCURRENCIES = (1, 4, 8)
_STEPS = 5


def demo(
    recipe: Annotated[
        Path | None, typer.Option(help="The recipe to build.  [default: recipes/python-docs.toml]")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder of the repository.")] = Path("build/python-docs"),
    report: Annotated[Path, typer.Option(help="Folder of the report.")] = Path("build/demo"),
    seconds: Annotated[
        float, typer.Option(min=1, help="Seconds of load at each of 1, 4 and 8 at a time.")
    ] = 10,
    max_tokens: Annotated[int, typer.Option(min=1, help="Longest answer, in tokens.")] = 64,
    load_max_tokens: Annotated[int, typer.Option(min=1, help="Longest answer under load, in tokens.")] = 32,
) -> None:
    """Build the default recipe, serve it, ask it about Python, and measure it under load."""
    require_histograms()
    require_report_packages()
    console = Console(width=None if sys.stdout.isatty() else 110)
    _heading(console, 1, f"Build a repository: {recipe or 'python-docs'}")
    _build(recipe or _default_recipe(), out)
    _heading(console, 2, "Serve it with Triton")
    with StartDisplay(console) as display, TritonServer(out, progress=display.show) as server:
        display.close()
        typer.echo(f"ready after {display.elapsed_s:.1f} s: {server.http_url} and {server.grpc_url}")
        asked, curl = _ask(console, server, max_tokens)
        _heading(
            console, 5, f"Load: {seconds:g} s each at {', '.join(map(str, CONCURRENCIES))} requests at a time"
        )
        facts = read_server_facts(server.grpc_url)
        program = find_perf_analyzer(typer.echo)
        levels = tuple(_levels(console, server.grpc_url, program, seconds, load_max_tokens))
    show_tables(console, level_table(levels), stage_table(levels))
    seen = LoadTestResults(
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        command=given_command(sys.argv[1:]),
        url=server.grpc_url,
        generator_machine=Machine.this(),
        max_tokens=load_max_tokens,
        seconds=seconds,
        distinct_questions=len(python_questions()),
        slo=None,
        limit=None,
        levels=levels,
        server=facts,
        load_generator=_load_generator(program, levels),
        asked=asked,
        curl=curl,
    )
    typer.echo(f"{seen.load_generator}\nReport: {write_report(seen, report, 'What the demo saw')}")
    _how_to_go_on(out)


def _heading(console: Console, number: int, text: str) -> None:
    console.print(f"\n[bold]{number}/{_STEPS}  {text}[/bold]", highlight=False)


def _default_recipe() -> Path:
    """The default recipe: in the wheel beside the export package, in a clone at its top."""
    export = importlib.util.find_spec("triton_rag_export")
    if export is None or export.origin is None:
        raise ClientSetupError(f"the demo builds a repository: {install_command('export', 'serve', 'cpu')}")
    package = Path(export.origin).parent
    recipes = [folder / "recipes" / "python-docs.toml" for folder in (package, package.parents[1])]
    found = next((path for path in recipes if path.is_file()), None)
    if found is None:
        raise ClientSetupError(f"{recipes[0]} is missing: name a recipe with --recipe")
    return found


def _build(recipe: Path, out: Path) -> None:
    command = [sys.executable, "-m", "triton_rag_client", "build", str(recipe), "--out", str(out)]
    status = subprocess.run(command, check=False).returncode
    if status != 0:
        raise ClientSetupError(f"the build failed (status {status}); try it alone: {shlex.join(command)}")


def _ask(console: Console, server: TritonServer, max_tokens: int) -> tuple[tuple[AskedQuestion, ...], str]:
    """Ask the questions, and with curl the first of them again."""
    _heading(console, 3, f"Ask {len(QUESTIONS)} questions about Python")
    with RagClient(server.grpc_url) as client:
        asked = tuple(ask_and_show(client, question, max_tokens) for question in QUESTIONS)
    _heading(console, 4, "Ask with curl")
    return asked, curl_and_show(server.http_url, QUESTIONS[0], max_tokens)


def _levels(
    console: Console, grpc_url: str, program: PerfAnalyzer | str, seconds: float, max_tokens: int
) -> Iterator[LevelResult]:
    """Measure each level with questions of its own."""
    shares = question_shares(python_questions(), len(CONCURRENCIES))
    for concurrency, share in zip(CONCURRENCIES, shares, strict=True):
        with console.status(f"{concurrency} at a time …"):
            level = measure_level_anyhow(
                service_at(grpc_url, max_tokens),
                share,
                ClosedLoop(concurrency),
                seconds=seconds,
                program=program if isinstance(program, PerfAnalyzer) else None,
            )
        rate = level.summary.requests_per_s
        typer.echo(f"{concurrency} at a time: {rate:.2f} requests/s (measured by {level.measured_by})")
        yield level


def _load_generator(program: PerfAnalyzer | str, levels: tuple[LevelResult, ...]) -> str:
    """Who put the load on, and why it was not perf_analyzer where it was not."""
    if isinstance(program, str):
        return f"Measured by our own load generator: {program}."
    notes = {level.note for level in levels if level.note}
    instead = (
        f" Where it says triton-rag, our own generator measured: {'; '.join(sorted(notes))}." if notes else ""
    )
    return f"perf_analyzer is that of {program.origin}.{instead}"


def _how_to_go_on(out: Path) -> None:
    typer.echo(
        f"""
How to go on{_activation()}
  serve it                triton-rag serve {out}
  ask it                  triton-rag ask 'What is a decorator?'
  talk with it            triton-rag chat
  your own corpus         recipes/jsonl-corpus.toml shows how: JSON lines, or Markdown, text and HTML files;
                          triton-rag build MY.toml --out build/mine
  your own models         in the recipe: a name on Hugging Face, or a folder
  how good it is          triton-rag evaluate build/mine --questions MY-QUESTIONS.jsonl
  what a machine lacks    triton-rag doctor"""
    )


def _activation() -> str:
    """The line that makes `triton-rag` known to a shell that has not entered its virtual environment."""
    script = Path(sys.prefix) / "bin" / "activate"
    if shutil.which("triton-rag") is not None or not script.is_file():
        return ""
    here = Path.cwd()
    shown = script.relative_to(here) if script.is_relative_to(here) else script
    return f"\n  first                   source {shlex.quote(str(shown))}"
