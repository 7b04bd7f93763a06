"""The steps of compression: a recipe's table and a torch model in, a smaller torch model out, as an artifact.

A method reads a folder and writes a folder, both as Hugging Face lays them out (`compress`). Its checkpoints
lie beside the cache until its artifact is whole: a run that was killed goes on from them.
"""

import dataclasses
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from triton_rag_export.build.artifacts import Artifact, key_of
from triton_rag_export.build.compression_inputs import step_inputs
from triton_rag_export.build.compression_methods import Work, method_of
from triton_rag_export.build.context import BuildContext, FoundModel, decided_by_all, find_model
from triton_rag_export.build.progress import StepProgress
from triton_rag_export.errors import BuildError
from triton_rag_export.evaluate.ledger.row import Kind, Training
from triton_rag_export.recipe.table import Table

if TYPE_CHECKING:
    from triton_rag_export.compress.outcome import Progress, Report

LIBRARIES = ("accelerate", "gguf", "safetensors", "tokenizers", "torch", "transformers")
OWN_CODE = (
    "triton_rag_export.build.compression_inputs",
    "triton_rag_export.build.compression_methods",
    "triton_rag_export.build.corpus_steps",
)
WORK_FOLDER = "training"


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


def run_step(
    context: BuildContext, passages: Artifact, kind: Kind, name: str, table: Table, model: FoundModel
) -> StepResult:
    """Do a step, or find its result in the cache.

    Raises:
        ExportError: the model or the data cannot be used, or training had to stop; what is finished stays in
            the cache, checkpoints included.
    """
    _refuse_processes()
    method = method_of(kind, name)
    what = f"{kind}-{name.replace('_', '-')}"
    code, own_code = method.modules, [__name__, *OWN_CODE]
    inputs = step_inputs(context, passages, kind, table, model)
    key = key_of(what, decided_by_all(inputs, code, own_code, LIBRARIES))[:32]
    workplace = context.cache.folder.parent / WORK_FOLDER / what / key

    def make(folder: Path, running: StepProgress) -> dict[str, Any]:
        workplace.mkdir(parents=True, exist_ok=True)
        work = Work(context, passages, model_path(model), folder, table, workplace, _report_to(running))
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


def _refuse_processes() -> None:
    """Several processes would write the same cache and ledger."""
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise BuildError(
            "the steps of a recipe run in one process, and accelerate launched several; launch the module "
            "triton_rag_export.build.launched_distillation for the distillation of a generator alone"
        )


def model_path(model: FoundModel) -> Path:
    """Where a method reads a model: its folder, or its GGUF file."""
    source = model.source
    return source.folder if source.gguf_file is None else source.folder / source.gguf_file


def _report_to(running: StepProgress) -> "Report":
    def report(progress: "Progress") -> None:
        if progress.preparing:
            running.advance(progress.step, progress.steps, progress.preparing)
            return
        parts = ", ".join(f"{name} {value:.4f}" for name, value in progress.loss_parts.items())
        quality = "" if progress.quality is None else f", quality {progress.quality:.4f}"
        running.advance(progress.step, progress.steps, f"loss {progress.loss:.4f} ({parts}){quality}")

    return report


def _result(artifact: Artifact) -> StepResult:
    facts = artifact.facts
    seconds, flops = float(facts["training_seconds"]), float(facts["training_flops"])
    training = Training(round(seconds, 1), flops) if seconds else None
    return StepResult(find_model(str(artifact.folder)), training, tuple(facts["notes"]))
