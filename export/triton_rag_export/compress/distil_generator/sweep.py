"""Which temperature, and which share of the labels? Short runs of the same student answer with a table."""

import copy
import itertools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from triton_rag_export.compress.distil_generator.distil import measure, train_student
from triton_rag_export.compress.distil_generator.generator_texts import GeneratorTexts
from triton_rag_export.compress.distil_generator.preparation import prepare
from triton_rag_export.compress.distil_generator.quality import StudentQuality
from triton_rag_export.compress.distil_generator.settings import DistilGeneratorSettings
from triton_rag_export.compress.outcome import Progress

MOST_RUNS = 100
_HEADS = ("temperature", "alpha", "dev KL", "dev top-1", "dev loss", "seconds")


@dataclass(frozen=True, slots=True)
class SweepRow:
    """One short run.

    Attributes:
        temperature: of the soft part.
        alpha: share of the hard part.
        quality: on development data, after the run; KL and loss at temperature 1.
        seconds: of training.
    """

    temperature: float
    alpha: float
    quality: StudentQuality
    seconds: float


@dataclass(frozen=True, slots=True)
class SweepReport:
    """All runs.

    Attributes:
        before: the student that all of them start from.
        rows: in the order of the temperatures, and of the alphas for each.
        steps: updates of each run.
    """

    before: StudentQuality
    rows: tuple[SweepRow, ...]
    steps: int

    @property
    def nearest(self) -> SweepRow:
        """The run whose student is nearest to the teacher."""
        return min(self.rows, key=lambda row: row.quality.kl or 0.0)

    def table(self) -> str:
        """A plain text table, the student before training first; an asterisk marks the smallest KL."""
        lines = [_HEADS, ("-", "-", *_cells(self.before), "-")]
        for row in self.rows:
            mark = "*" if row is self.nearest else ""
            figures = (*_cells(row.quality), f"{row.seconds:.1f}{mark}")
            lines.append((f"{row.temperature:g}", f"{row.alpha:g}", *figures))
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        return "\n".join(
            "  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)) for line in lines
        )


def sweep(
    source: Path,
    settings: DistilGeneratorSettings,
    *,
    data: GeneratorTexts,
    workplace: Path,
    temperature: Sequence[float] = (1.0, 2.0, 4.0, 8.0),
    alpha: Sequence[float] = (0.1, 0.5, 0.9),
    steps: int = 100,
    report: Callable[[float, float, Progress], None] = lambda temperature, alpha, progress: None,
) -> SweepReport:
    """Train the same student with every temperature and alpha, on the same batches, for some steps each.

    The teacher is loaded once, its answers and soft labels are made once; with `cached_tokens` they are those
    that the full distillation uses as well.

    Args:
        source: the teacher, see `distil_generator`.
        settings: everything else.
        data: texts.
        workplace: where the teacher's word is kept.
        temperature: 1 to 100 each, at least one.
        alpha: 0 to 1 each, at least one.
        steps: updates of each run, at least 1; at most those of the settings are done.
        report: called with temperature and alpha after every update of every run.

    Raises:
        ExportError: see `distil_generator`.
        ValueError: a value is out of range, or there are none or too many; names it and what is allowed.
    """
    runs = _runs(settings, temperature, alpha, steps)
    prepared = prepare(source, min(runs, key=lambda run: run.alpha), data, workplace)
    before, rows = measure(prepared, prepared.student), []
    for run in runs:

        def told(progress: Progress, run: DistilGeneratorSettings = run) -> None:
            report(run.temperature, run.alpha, progress)

        student, started_s = copy.deepcopy(prepared.student), time.monotonic()
        train_student(prepared, student, run, workplace / "sweep", told)
        seconds = time.monotonic() - started_s
        rows.append(SweepRow(run.temperature, run.alpha, measure(prepared, student), seconds))
    return SweepReport(before, tuple(rows), runs[0].training.steps)


def _runs(
    settings: DistilGeneratorSettings, temperature: Sequence[float], alpha: Sequence[float], steps: int
) -> list[DistilGeneratorSettings]:
    """The settings of each run."""
    pairs = list(itertools.product(temperature, alpha))
    if not 1 <= len(pairs) <= MOST_RUNS:
        raise ValueError(
            f"temperature has {len(temperature)} values and alpha {len(alpha)}; allowed: 1 to {MOST_RUNS} "
            "pairs of one of each"
        )
    training = replace(
        settings.training,
        steps=min(steps, settings.training.steps),
        checkpoint_every=0,
        evaluate_every=0,
        keep="last",
    )
    return [replace(settings, temperature=each, alpha=share, training=training) for each, share in pairs]


def _cells(quality: StudentQuality) -> tuple[str, str, str]:
    return f"{quality.kl or 0.0:.4f}", f"{quality.top1_agreement or 0.0:.3f}", f"{quality.loss:.4f}"
