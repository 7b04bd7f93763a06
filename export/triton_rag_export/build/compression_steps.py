"""The steps of compression: a recipe's table and a torch model in, a smaller torch model out, as an artifact.

A method reads a folder and writes a folder, both as Hugging Face lays them out (`compress`). Its checkpoints
lie beside the cache until its artifact is whole: a run that was killed goes on from them.
"""

import dataclasses
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from triton_rag_export.build.artifacts import Artifact, key_of
from triton_rag_export.build.context import BuildContext, FoundModel, decided_by_all, find_model
from triton_rag_export.build.corpus_steps import CONTENT, read_passages
from triton_rag_export.build.progress import StepProgress
from triton_rag_export.errors import BuildError
from triton_rag_export.evaluate.ledger.row import Goal, Kind, Training
from triton_rag_export.recipe.table import Table
from triton_rag_export.repository.manifest import sha256_of

if TYPE_CHECKING:
    from triton_rag_export.compress.outcome import Progress, StepOutcome

STEPS = ("distil", "prune", "low_rank", "quantize")
"""In this order; each is a table below `[encoder]` or `[generator]`."""
LIBRARIES = ("accelerate", "gguf", "safetensors", "tokenizers", "torch", "transformers")
WORK_FOLDER = "training"

_Settings = TypeVar("_Settings")


@dataclass(frozen=True, slots=True)
class Work:
    """What a method works on.

    Attributes:
        context: the build.
        passages: the cut corpus.
        source: the model, a folder or a GGUF file.
        target: an empty folder for the result.
        table: of the recipe.
        workplace: for checkpoints.
        report: to be called after each update.
    """

    context: BuildContext
    passages: Artifact
    source: Path
    target: Path
    table: Table
    workplace: Path
    report: "Callable[[Progress], None]"


@dataclass(frozen=True, slots=True)
class Method:
    """How a step is done.

    Attributes:
        run: does it.
        module: its code.
        goals: what a step with this table is for.
    """

    run: "Callable[[Work], StepOutcome]"
    module: str
    goals: Callable[[Any], tuple[Goal, ...]]


@dataclass(frozen=True, slots=True)
class StepResult:
    """What a step gave.

    Attributes:
        model: the torch model after it.
        training: what it took; None where nothing was trained.
        notes: a phrase each.
    """

    model: FoundModel
    training: Training | None
    notes: tuple[str, ...]


def steps_of(recipe: Table) -> dict[str, Table]:
    """The tables of the steps that a recipe's model goes through, by name, in order."""
    found = {name: getattr(recipe, name, None) for name in STEPS}
    return {name: table for name, table in found.items() if table is not None}


def run_step(
    context: BuildContext, passages: Artifact, kind: Kind, name: str, table: Table, model: FoundModel
) -> StepResult:
    """Do a step, or find its result in the cache.

    Raises:
        ExportError: the model or the data cannot be used, or training had to stop; what is finished stays in
            the cache, checkpoints included.
    """
    method = METHODS[kind, name]
    what = f"{kind}-{name.replace('_', '-')}"
    code, own_code = [method.module], [__name__]
    inputs = {
        "model": model.fingerprint,
        "settings": table.model_dump(mode="json"),
        "files": _file_hashes(table),
        "student": _student(table),
        "passages": passages.facts[CONTENT],
    }
    key = key_of(what, decided_by_all(inputs, code, own_code, LIBRARIES))[:32]
    workplace = context.cache.folder.parent / WORK_FOLDER / what / key

    def make(folder: Path, running: StepProgress) -> dict[str, Any]:
        workplace.mkdir(parents=True, exist_ok=True)
        work = Work(context, passages, _path(model), folder, table, workplace, _report_to(running))
        try:
            outcome = method.run(work)
        except ValueError as error:
            raise BuildError(f"[{kind}.{name}]: {error}; correct the recipe") from error
        return {**dataclasses.asdict(outcome), "note": "; ".join(outcome.notes)}

    artifact = context.artifact(
        what, inputs, make, code=code, own_code=own_code, libraries=LIBRARIES, title=f"{name} the {kind}"
    )
    shutil.rmtree(workplace, ignore_errors=True)
    return _result(artifact)


def settings_of(kind: Callable[..., _Settings], table: Table) -> _Settings:
    """A method's settings from the recipe's table, which has the same keys.

    Raises:
        ValueError: the settings do not allow a value.
    """
    from triton_rag_export.compress.training import TrainingSettings

    names = {field.name for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    values = {name: getattr(table, name) for name in type(table).model_fields if name in names}
    if isinstance(values.get("training"), Table):
        values["training"] = TrainingSettings(**values["training"].model_dump())
    return kind(**values)


def _distil_generator(work: Work) -> "StepOutcome":
    from triton_rag_export.compress.distil_generator import (
        DistilGeneratorSettings,
        distil_generator,
        read_generator_texts,
    )

    recipe = work.context.recipe.generator
    if recipe is None:
        raise BuildError("there is no generator to distil; please report this")
    settings = settings_of(DistilGeneratorSettings, work.table)
    texts = read_generator_texts(settings, recipe, read_passages(work.passages.folder))
    return distil_generator(
        work.source, work.target, settings, data=texts, workplace=work.workplace, report=work.report
    )


def _distillation_goals(table: Any) -> tuple[Goal, ...]:
    """A teacher that teaches another model or fewer layers makes it smaller; plain fine-tuning need not."""
    return ("smaller", "faster")


METHODS: Mapping[tuple[Kind, str], Method] = {
    ("generator", "distil"): Method(
        _distil_generator, "triton_rag_export.compress.distil_generator.distil", _distillation_goals
    ),
}


def _path(model: FoundModel) -> Path:
    source = model.source
    return source.folder if source.gguf_file is None else source.folder / source.gguf_file


def _file_hashes(table: Table) -> list[str]:
    """SHA-256 of the files that a table names."""
    values = [getattr(table, name) for name in type(table).model_fields]
    listed = [path for value in values for path in (value if isinstance(value, tuple) else (value,))]
    return [sha256_of(path) for path in listed if isinstance(path, Path) and path.is_file()]


def _student(table: Table) -> str | None:
    name = getattr(table, "student", "")
    return find_model(name).fingerprint if name else None


def _report_to(running: StepProgress) -> "Callable[[Progress], None]":
    def report(progress: "Progress") -> None:
        parts = ", ".join(f"{name} {value:.4f}" for name, value in progress.loss_parts.items())
        quality = "" if progress.quality is None else f", quality {progress.quality:.4f}"
        running.advance(progress.step, progress.steps, f"loss {progress.loss:.4f} ({parts}){quality}")

    return report


def _result(artifact: Artifact) -> StepResult:
    facts = artifact.facts
    seconds, flops = float(facts["training_seconds"]), float(facts["training_flops"])
    training = Training(round(seconds, 1), flops) if seconds else None
    return StepResult(find_model(str(artifact.folder)), training, tuple(facts["notes"]))
