"""The runs of one `triton-rag loadtest`: what they say while they run, and everything they found."""

import asyncio
import dataclasses
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import typer
from rich.console import Console

from triton_rag_client.commands.given_command import given_command
from triton_rag_client.commands.show_tables import show_tables
from triton_rag_client.load import (
    LevelResult,
    Limit,
    Load,
    OpenLoop,
    PerfAnalyzer,
    Service,
    Slo,
    Trial,
    least_seconds,
    measure_level,
    open_service,
    search_limit,
)
from triton_rag_client.load.machine import Machine
from triton_rag_client.load.results import LoadTestResults, write_results
from triton_rag_client.load.server_facts import ServerFacts
from triton_rag_client.load.tables import latency_table, length_table, rate_table, stage_table
from triton_rag_client.load_report import write_report
from triton_rag_client.terminal import waiting

__all__ = ["LoadTest", "run_to_the_end"]

_PIPE_WIDTH = 130
_INTERRUPTED = 130  # the shell's code for Ctrl-C


class LoadTest:
    """Runs load against a service and keeps the results.

    Attributes:
        levels: The levels that are complete.
        limit: What a search found; None without one.
    """

    def __init__(
        self,
        service: Service,
        questions: Sequence[str],
        slo: Slo | None,
        seconds: float,
        server: ServerFacts,
        program: PerfAnalyzer | None = None,
    ) -> None:
        self.levels: list[LevelResult] = []
        self.limit: Limit | None = None
        self._service = service
        self._questions = questions
        self._slo = slo
        self._server = server
        self._seconds = seconds
        self._program = program

    def run(self, loads: Sequence[Load], searched: OpenLoop, precision: float, repeats: int) -> None:
        """Measure each load; without any, search the highest rate that keeps the targets.

        Raises:
            RagError: As of `measure` and `search`; the levels before are kept.
        """
        if self._slo is not None and not loads:
            self.search(self._slo, searched, precision, repeats)
        for load in loads:
            self.measure(load)

    def measure(self, load: Load) -> None:
        """Run a level of load.

        Raises:
            PerfAnalyzerError: perf_analyzer failed.
            RateNotSentError: The generator could not send an open loop's rate.
        """
        with waiting(f"{load} …"):
            level = measure_level(
                self._service,
                self._questions,
                load,
                seconds=self._seconds,
                program=self._program,
                slo=self._slo,
            )
        self.levels.append(level)
        typer.echo(f"{load}: {level.summary.requests_per_s:.2f} requests/s, {level.summary.failed} failed")
        if level.note and not any(level.note == before.note for before in self.levels[:-1]):
            typer.echo(f"note: {level.note}")

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
        tables = [rate_table(self.levels), latency_table(self.levels), length_table(self.levels)]
        if any(level.stage_shares for level in self.levels):
            tables.append(stage_table(self.levels))
        show_tables(console, *tables)

    def write(self, json_file: Path | None, report: Path | None) -> None:
        """Write everything as JSON, and as a report, where they are wanted.

        Raises:
            ClientSetupError: A file cannot be written.
        """
        results = self._results()
        if json_file is not None:
            write_results(results, json_file)
            typer.echo(f"results: {json_file}")
        if report is not None:
            typer.echo(f"report: {write_report(results, report)}")

    def _results(self) -> LoadTestResults:
        return LoadTestResults(
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            command=given_command(sys.argv[1:]),
            url=self._service.url,
            generator_machine=Machine.this(),
            max_tokens=self._service.max_tokens,
            seconds=self._seconds,
            distinct_questions=len(set(self._questions)),
            slo=None if self._slo is None else str(self._slo),
            limit=self.limit,
            levels=tuple(self.levels),
            server=self._server,
            load_generator="" if self._program is None else f"perf_analyzer ({self._program.origin})",
        )


class Test(Protocol):
    """What has results even when it ends early."""

    def show(self) -> None:
        """Show what is complete."""

    def write(self, json_file: Path | None, report: Path | None) -> None:
        """Write what is complete as JSON, and as a report, where they are wanted."""


def run_to_the_end(
    test: Test, steps: Callable[[], None], json_file: Path | None, report: Path | None = None
) -> None:
    """Run a test; an error or Ctrl-C leaves what was complete before it, shown and written.

    Args:
        test: What keeps the results.
        steps: Everything that is measured.
        json_file: Where the results are written too.
        report: The folder of a report of them.

    Raises:
        RagError: That of a step, or a file cannot be written.
        Exit: It was interrupted.
    """
    is_interrupted = False
    try:
        steps()
    except KeyboardInterrupt:
        is_interrupted = True
    finally:
        test.show()
        test.write(json_file, report)
    if is_interrupted:
        raise typer.Exit(_INTERRUPTED)


def _show_trial(trial: Trial) -> None:
    why = f": {'; '.join(trial.missed)}" if trial.missed else ""
    typer.echo(f"{trial.rate_per_s:.4g} requests/s: kept in {trial.kept} of {trial.runs} runs{why}")


def _verdict(slo: Slo, limit: Limit) -> str:
    kept = f"{slo} is kept up to {limit.rate_per_s:.4g} requests/s"
    missed = f" and no more at {limit.missed_at_per_s:.4g}" if limit.missed_at_per_s is not None else ""
    note = f"; {limit.note}" if limit.note else ""
    return f"{kept}{missed} (sure to {limit.sureness:.0%}){note}"
