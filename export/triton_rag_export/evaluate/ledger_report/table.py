"""The ledger in a terminal, and the cells that the page shows too."""

from collections.abc import Mapping

from rich import box
from rich.console import Console
from rich.table import Table

from triton_rag_export.evaluate.ledger.row import TEACHERS_INDEX
from triton_rag_export.evaluate.ledger_report.state import LedgerState, ModelState, Stage

COLUMNS = (
    "step",
    "parameters",
    "MB",
    "× smaller",
    "p50 ms",
    "p95 ms",
    "tokens/s",
    "× faster",
    "peak MB",
)
"""Of every model; one for each data set follows, then distance and training."""

LEAST_ZEROS = 0.01
"""Any model has some; from this share on they are shown."""


def headings(model: ModelState) -> list[str]:
    """What stands above the columns of a model."""
    judged = [f"{model.measure} {name}" for name in model.data_sets if not name.endswith(TEACHERS_INDEX)]
    return [*COLUMNS, *judged, "distance", "training", "gate"]


def cells(model: ModelState, stage: Stage) -> list[str]:
    """A stage, as text; where queries search the teacher's index, that figure follows a slash."""
    row = stage.row
    zeros = 1 - row.size.nonzero / row.size.parameters
    return [
        row.step,
        f"{row.size.parameters:,}" + (f" ({zeros:.0%} zeros)" if zeros >= LEAST_ZEROS else ""),
        f"{row.size.graph_bytes / 1e6:,.1f}",
        f"{1 / stage.graph_bytes:.2f}",
        f"{row.speed.latency_p50_ms:.2f}",
        f"{row.speed.latency_p95_ms:.2f}",
        f"{row.speed.throughput:,.0f}",
        f"{stage.throughput:.2f}",
        f"{row.speed.peak_memory_bytes / 1e6:,.0f}",
        *(_quality(model, stage, name) for name in model.data_sets if not name.endswith(TEACHERS_INDEX)),
        "; ".join(_distance(name, found, len(row.distance)) for name, found in row.distance.items()) or "–",
        "–" if row.training is None else f"{row.training.seconds:,.0f} s, {row.training.flops:.2g} FLOPs",
        "passed" if not row.failures else "failed",
    ]


def print_state(state: LedgerState, console: Console | None = None) -> None:
    """Print a table for each model, and what gates did not allow."""
    console = console or Console(highlight=False)
    for model in state.models:
        table = Table(*headings(model), title=model.title, title_justify="left", box=box.SIMPLE)
        for stage in model.stages:
            table.add_row(*cells(model, stage))
        console.print(table)
    for title, row in ((model.title, row) for model in state.models for row in model.left):
        console.print(f"{title} in {row.step!r}: {row.notes[-1]}", markup=False, soft_wrap=True)
    for failure in state.failures:
        console.print(f"gate: {failure}", markup=False, soft_wrap=True)


def _quality(model: ModelState, stage: Stage, data_set: str) -> str:
    found = [
        stage.row.quality[name][model.measure]
        for name in (data_set, data_set + TEACHERS_INDEX)
        if name in stage.row.quality
    ]
    return " / ".join(f"{value:.4f}" for value in found) or "–"


def _distance(data_set: str, found: Mapping[str, float], count: int) -> str:
    values = ", ".join(f"{measure} {value:.4f}" for measure, value in found.items())
    return values if count == 1 else f"{data_set}: {values}"
