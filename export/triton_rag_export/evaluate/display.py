"""The evaluation in a terminal: a bar for each task, a table at the end."""

import dataclasses
import json
from types import TracebackType
from typing import Self

from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from triton_rag_export.evaluate.answer_measures import ANSWER_MEASURES
from triton_rag_export.evaluate.pipeline import Progress as Advance
from triton_rag_export.evaluate.report import EvaluationReport
from triton_rag_export.evaluate.retrieval_measures import MEASURES


class EvaluationDisplay:
    """Shows how far an evaluation is; use it as a context manager."""

    def __init__(self, console: Console | None = None) -> None:
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=30),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=console or Console(stderr=True),
            transient=True,
        )

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._bars.stop()

    def task(self, name: str, total: int) -> Advance:
        """Draw a bar for a task of so many questions."""
        task = self._bars.add_task(name, total=total)
        return lambda finished: self._bars.advance(task, finished)


def print_report(report: EvaluationReport, console: Console | None = None) -> None:
    """Print the measures as tables."""
    console = console or Console(highlight=False)
    where = f"the server at {report.url}" if report.url else "this process"
    depth = f"{report.depth} passages deep"
    console.print(
        f"{report.questions:,} questions over {report.repository}, in {where}, {depth}", markup=False
    )
    table = Table("retriever", *MEASURES, box=box.SIMPLE)
    for retriever, values in report.retrieval.items():
        table.add_row(retriever, *(f"{values[measure]:.4f}" for measure in MEASURES))
    console.print(table)
    if report.answers is not None:
        answers = Table("answers", *ANSWER_MEASURES, box=box.SIMPLE)
        cells = (f"{report.answers[measure]:.4f}" for measure in ANSWER_MEASURES)
        answers.add_row(f"{report.answered:,}", *cells)
        console.print(answers)


def report_as_json(report: EvaluationReport) -> str:
    """The report as a JSON object."""
    return json.dumps(dataclasses.asdict(report), indent=2, ensure_ascii=False) + "\n"
