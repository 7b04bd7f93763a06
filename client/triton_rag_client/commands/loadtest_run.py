"""The runs of one `triton-rag loadtest`: what they say while they run, and everything they found."""

import asyncio
import dataclasses
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import typer
from rich.console import Console

from triton_rag_client.commands.show_tables import show_tables
from triton_rag_client.errors import ClientSetupError
from triton_rag_client.load import (
    LevelResult,
    Limit,
    Load,
    OpenLoop,
    Service,
    Slo,
    Trial,
    least_seconds,
    measure_level,
    open_service,
    search_limit,
)
from triton_rag_client.load.machine import Machine
from triton_rag_client.load.plain_json import plain_json
from triton_rag_client.load.tables import latency_table, rate_table, stage_table
from triton_rag_client.terminal import waiting

__all__ = ["LoadTest", "run_to_the_end", "write_results"]

_PIPE_WIDTH = 130
_INTERRUPTED = 130  # the shell's code for Ctrl-C


class LoadTest:
    """Runs load against a service and keeps the results.

    Attributes:
        levels: The levels that are complete.
        limit: What a search found; None without one.
    """

    def __init__(self, service: Service, questions: Sequence[str], slo: Slo | None, seconds: float) -> None:
        self.levels: list[LevelResult] = []
        self.limit: Limit | None = None
        self._service = service
        self._questions = questions
        self._slo = slo
        self._seconds = seconds

    def measure(self, load: Load) -> None:
        """Run a level of load.

        Raises:
            RateNotSentError: This process could not send an open loop's rate.
        """
        with waiting(f"{load} …"):
            level = measure_level(self._service, self._questions, load, seconds=self._seconds, slo=self._slo)
        self.levels.append(level)
        typer.echo(f"{load}: {level.summary.requests_per_s:.2f} requests/s, {level.summary.failed} failed")

    def search(self, slo: Slo, load: OpenLoop, precision: float, repeats: int) -> None:
        """Search the highest rate that keeps the targets, and run a level at it.

        Raises:
            SloUnreachableError: No rate keeps them.
            RateNotSentError: This process could not even send the first rate.
        """
        needed_s = least_seconds(slo, precision)
        if needed_s > self._seconds:
            typer.echo(
                f"runs of {needed_s:.3g} s each instead of {self._seconds:g}: in shorter ones a rate "
                f"{precision:.0%} too high keeps {slo}"
            )
            self._seconds = needed_s

        async def found() -> Limit:
            async with open_service(self._service) as stream:
                return await search_limit(
                    stream,
                    self._questions,
                    slo,
                    load,
                    seconds=self._seconds,
                    precision=precision,
                    repeats=repeats,
                    report=_show_trial,
                )

        with waiting("searching …"):
            self.limit = asyncio.run(found())
        typer.echo(_verdict(slo, self.limit))
        self.measure(dataclasses.replace(load, rate_per_s=self.limit.rate_per_s))

    def show(self) -> None:
        """Show the tables of the levels."""
        if not self.levels:
            return
        console = Console(width=None if sys.stdout.isatty() else _PIPE_WIDTH)
        tables = [rate_table(self.levels), latency_table(self.levels)]
        if any(level.stage_shares for level in self.levels):
            tables.append(stage_table(self.levels))
        show_tables(console, *tables)

    def write(self, path: Path) -> None:
        """Write everything as JSON.

        Raises:
            ClientSetupError: The file cannot be written.
        """
        content = {
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "url": self._service.url,
            "generator_machine": dataclasses.asdict(Machine.this()),
            "max_tokens": self._service.max_tokens,
            "seconds": self._seconds,
            "distinct_questions": len(set(self._questions)),
            "slo": None if self._slo is None else str(self._slo),
            "limit": None if self.limit is None else dataclasses.asdict(self.limit),
            "levels": [dataclasses.asdict(level) for level in self.levels],
        }
        write_results(path, content)


class Test(Protocol):
    """What has results even when it ends early."""

    def show(self) -> None:
        """Show what is complete."""

    def write(self, path: Path) -> None:
        """Write what is complete as JSON."""


def run_to_the_end(test: Test, steps: Callable[[], None], json_file: Path | None) -> None:
    """Run a test; an error or Ctrl-C leaves what was complete before it, shown and written.

    Args:
        test: What keeps the results.
        steps: Everything that is measured.
        json_file: Where the results are written too.

    Raises:
        RagError: That of a step, or the file cannot be written.
        Exit: It was interrupted.
    """
    is_interrupted = False
    try:
        steps()
    except KeyboardInterrupt:
        is_interrupted = True
    finally:
        test.show()
        if json_file is not None:
            test.write(json_file)
    if is_interrupted:
        raise typer.Exit(_INTERRUPTED)


def write_results(path: Path, content: dict[str, Any]) -> None:
    """Write results as JSON, and say where.

    Raises:
        ClientSetupError: The file cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(plain_json(content), encoding="utf-8")
    except OSError as error:
        raise ClientSetupError(f"{path} cannot be written ({error}); give another --json") from error
    typer.echo(f"results: {path}")


def _show_trial(trial: Trial) -> None:
    why = f": {'; '.join(trial.missed)}" if trial.missed else ""
    typer.echo(f"{trial.rate_per_s:.4g} requests/s: kept in {trial.kept} of {trial.runs} runs{why}")


def _verdict(slo: Slo, limit: Limit) -> str:
    kept = f"{slo} is kept up to {limit.rate_per_s:.4g} requests/s"
    missed = f" and no more at {limit.missed_at_per_s:.4g}" if limit.missed_at_per_s is not None else ""
    note = f"; {limit.note}" if limit.note else ""
    return f"{kept}{missed} (sure to {limit.sureness:.0%}){note}"
