"""`triton-rag loadtest A B`: two servers in turn, and the ratios of what they did."""

import dataclasses
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import typer
from rich.console import Console

from triton_rag_client.commands.show_tables import show_tables
from triton_rag_client.load import LevelResult, Load, Slo
from triton_rag_client.load.comparison import Contestant, Round, compared, notes, rounds_of
from triton_rag_client.load.comparison_table import comparison_table, failure_table
from triton_rag_client.load.machine import Machine
from triton_rag_client.load.ratios import CONFIDENCE
from triton_rag_client.load.results import write_json

__all__ = ["ComparisonTest"]

_PIPE_WIDTH = 150


class ComparisonTest:
    """Runs rounds of two servers and keeps those that are complete.

    Attributes:
        rounds: The complete rounds.
    """

    def __init__(
        self,
        contestants: tuple[Contestant, Contestant],
        loads: Sequence[Load],
        questions: Sequence[str],
        slo: Slo | None,
        seconds: float,
        max_tokens: int,
    ) -> None:
        self.rounds: list[Round] = []
        self._contestants = contestants
        self._loads = loads
        self._questions = questions
        self._slo = slo
        self._seconds = seconds
        self._max_tokens = max_tokens

    def run(self, rounds: int) -> None:
        """Measure so many rounds.

        Raises:
            RagError: A server cannot be started or asked, or a rate not be sent; complete rounds are kept.
        """
        measured = rounds_of(
            self._contestants, self._loads, self._questions,
            rounds=rounds, seconds=self._seconds, slo=self._slo, report=_show_level,
        )  # fmt: skip
        for found in measured:
            self.rounds.append(found)
            typer.echo(f"round {len(self.rounds)} of {rounds} is complete")

    def show(self) -> None:
        """Show the ratios, and what to know of them."""
        if not self.rounds:
            typer.echo("no round is complete: there is nothing to compare")
            return
        console = Console(width=None if sys.stdout.isatty() else _PIPE_WIDTH)
        tables = [comparison_table(compared(self._loads, self.rounds), "A", "B")]
        failures = failure_table(self._loads, self.rounds, "A", "B")
        if len(failures) > 1:
            tables.append(failures)
        show_tables(console, *tables)
        typer.echo(
            f"A is {self._contestants[0].name}, B is {self._contestants[1].name}. Figures are medians of "
            f"{len(self.rounds)} rounds; a ratio is B / A, the geometric mean over the rounds' pairs, with "
            f"Student's {CONFIDENCE:.0%} interval."
        )
        for note in self._notes():
            typer.echo(f"note: {note}")

    def write(self, json_file: Path | None, report: Path | None = None) -> None:
        """Write everything as JSON, where it is wanted; there is no report of a comparison.

        Raises:
            ClientSetupError: The file cannot be written.
        """
        if json_file is None:
            return
        content = {
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "first": self._contestants[0].name,
            "second": self._contestants[1].name,
            "generator_machine": dataclasses.asdict(Machine.this()),
            "max_tokens": self._max_tokens,
            "seconds": self._seconds,
            "distinct_questions": len(set(self._questions)),
            "slo": None if self._slo is None else str(self._slo),
            "confidence": CONFIDENCE,
            "notes": list(self._notes()),
            "ratios": [dataclasses.asdict(figure) for figure in compared(self._loads, self.rounds)],
            "rounds": [dataclasses.asdict(found) for found in self.rounds],
        }
        write_json(content, json_file)
        typer.echo(f"results: {json_file}")

    def _notes(self) -> tuple[str, ...]:
        return notes(self._contestants, self._loads, self._questions, self.rounds)


def _show_level(name: str, level: LevelResult) -> None:
    typer.echo(
        f"{name}, {level.load}: {level.summary.requests_per_s:.2f} requests/s, {level.summary.failed} failed"
    )
