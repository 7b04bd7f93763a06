"""A measured step becomes a row of the ledger, and passes the gate or ends the build."""

import dataclasses
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from pydantic import TypeAdapter

from triton_rag_export.build.artifacts import Artifact, key_of, library_versions
from triton_rag_export.build.candidates import Candidate, Measuring
from triton_rag_export.build.measuring import measured
from triton_rag_export.errors import GateError, RecipeError
from triton_rag_export.evaluate.ledger import Gate, LedgerRow, append_row, failures, read_rows
from triton_rag_export.evaluate.ledger.row import Comparison, Goal, Kind, Size, Speed, Training
from triton_rag_export.recipe import Recipe
from triton_rag_export.recipe.compression import steps_of

LIBRARIES = (
    "triton-rag",
    "accelerate",
    "numpy",
    "onnx",
    "onnxruntime",
    "tokenizers",
    "torch",
    "transformers",
)
_GATED = {
    "ndcg_loss": "nDCG@10",
    "recall_loss": "recall@10",
    "mrr_loss": "MRR",
    "exact_match_loss": "exact match",
    "f1_loss": "F1",
    "rouge_l_loss": "ROUGE-L",
}
"""Measures by the key of a recipe's gate that bounds their loss."""


@dataclass(frozen=True, slots=True)
class Done:
    """What a step did.

    Attributes:
        settings: of the step.
        goals: what the step is for.
        training: what it took.
        notes: for the reader, a phrase each.
    """

    settings: Mapping[str, Any] = field(default_factory=dict)
    goals: tuple[Goal, ...] = ()
    training: Training | None = None
    notes: tuple[str, ...] = ()


@dataclass(slots=True)
class LedgerWriter:
    """Measures steps and writes their rows.

    Attributes:
        measuring: what on.
        path: the ledger.
        rows: of this run, in the ledger already or new.
    """

    measuring: Measuring
    path: Path
    rows: list[LedgerRow] = field(default_factory=list)

    def add(
        self,
        candidate: Candidate,
        parent: tuple[Candidate, LedgerRow] | None,
        original: Candidate,
        done: Done,
    ) -> LedgerRow:
        """Measure a candidate and append its row; arguments as for `measure`.

        Raises:
            GateError: the gate does not allow the step; its row is in the ledger.
            ExportError: it cannot be measured, or the ledger cannot be written.
        """
        row = self.measure(candidate, parent, original, done)
        self.append(row)
        if row.failures:
            self.end_with(row)
            _refuse_failures(row, self.path)
        return row

    def append(self, row: LedgerRow) -> None:
        """Append a row, unless the ledger has it.

        Raises:
            LedgerError: the ledger cannot be read or written.
        """
        if not self.path.exists() or row.key not in {known.key for known in read_rows(self.path)}:
            append_row(self.path, row)
        self.rows.append(row)

    def end_with(self, row: LedgerRow) -> None:
        """Have a row be the model's last, adding it again where the recipe was another one in between.

        Raises:
            LedgerError: the ledger cannot be read or written.
        """
        way = [each for each in read_rows(self.path) if (each.recipe, each.kind) == (row.recipe, row.kind)]
        last = [each for each in way if each.is_chosen][-1]
        if last.key != row.key:
            append_row(self.path, row)

    def measure(
        self,
        candidate: Candidate,
        parent: tuple[Candidate, LedgerRow] | None,
        original: Candidate,
        done: Done,
    ) -> LedgerRow:
        """The row of a candidate, which is not in the ledger yet.

        Args:
            candidate: the step's result.
            parent: the step before and its row; None for the original.
            original: the model that the recipe names.
            done: what the step did.

        Raises:
            ExportError: it cannot be measured.
        """
        figures = measured(self.measuring, candidate, parent[0] if parent else None, original)
        recipe, parent_row = self.measuring.context.recipe, parent[1] if parent else None
        done = dataclasses.replace(done, settings=_seen_from(self.path.parent, done.settings))
        gate = gate_of(recipe, candidate.kind)
        decided_by = {
            "recipe": recipe.name,
            "measured": figures.key,
            "done": dataclasses.asdict(done),
            "gate": dataclasses.asdict(gate),
            "parent": parent_row.key if parent_row else None,
        }
        row = _row(candidate, figures, done, key=key_of("row", decided_by)[:32], recipe=recipe.name)
        row = dataclasses.replace(row, parent=parent_row.key if parent_row else None)
        return dataclasses.replace(row, failures=failures(row, parent_row, gate))


def gate_of(recipe: Recipe, kind: Kind) -> Gate:
    """What the recipe allows the steps of a model."""
    table = recipe.encoder if kind == "encoder" else recipe.generator
    if table is None:
        return Gate({})
    values = table.gate.model_dump()
    return Gate(
        most_loss={measure: values[key] for key, measure in _GATED.items() if key in values},
        least_speedup=table.gate.least_speedup,
        least_shrink=table.gate.least_shrink,
        teachers_index=kind == "encoder" and recipe.encoder.passage_model is not None,
    )


def refuse_unjudged(recipe: Recipe) -> None:
    """Refuse a recipe whose steps would be measured and judged by nothing, before any of them is done.

    Raises:
        RecipeError: names what to name, and the keys that would ask for nothing.
    """
    if recipe.ledger.data is not None:
        return
    kinds: tuple[Kind, ...] = ("encoder", "generator")
    for kind in kinds:
        table = recipe.encoder if kind == "encoder" else recipe.generator
        if table is None or not (steps_of(table) or table.precision != "fp32"):
            continue
        if bounded := [key for key in _GATED if getattr(table.gate, key, 1.0) < 1]:
            raise RecipeError(
                f"ledger.data is not given, and [{kind}.gate] has nothing to judge the {kind} by; allowed: a "
                "folder of judged data sets (passages.jsonl and questions.dev.jsonl), or "
                f"{', '.join(f'{key} = 1.0' for key in bounded)} in [{kind}.gate]"
            )


def _seen_from(folder: Path, settings: Any) -> Any:
    """Settings with their paths relative to the ledger's folder: rows are read on other machines too."""
    if isinstance(settings, Mapping):
        return {name: _seen_from(folder, value) for name, value in settings.items()}
    if isinstance(settings, list | tuple):
        return [_seen_from(folder, value) for value in settings]
    if isinstance(settings, str) and Path(settings).is_absolute():
        return Path(os.path.relpath(settings, folder.resolve())).as_posix()
    return settings


def _row(candidate: Candidate, figures: Artifact, done: Done, *, key: str, recipe: str) -> LedgerRow:
    facts = figures.facts
    against = facts["against_parent"]
    return LedgerRow(
        key=key,
        recipe=recipe,
        kind=candidate.kind,
        step=candidate.step,
        settings=done.settings,
        goals=done.goals,
        parent=None,
        model=candidate.model.fingerprint,
        made=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        size=Size(**facts["size"]),
        speed=Speed(**facts["speed"]),
        against_parent=None if against is None else TypeAdapter(Comparison).validate_python(against),
        quality=facts["quality"],
        distance=facts["distance"],
        training=done.training,
        notes=done.notes,
        machine=facts["machine"],
        versions=library_versions(LIBRARIES),
    )


def _refuse_failures(row: LedgerRow, path: Path) -> NoReturn:
    listed = "\n".join(f"  {failure.message}" for failure in row.failures)
    raise GateError(
        f"the {row.kind} does not pass its gate after {row.step!r}:\n{listed}\n"
        f"change the step, or [{row.kind}.gate]; all figures are in {path}"
    )
