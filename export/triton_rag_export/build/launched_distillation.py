"""A recipe's distillation of its generator in several processes, the one step that is worth them.

    accelerate launch --config_file recipes/accelerate/ddp.yaml \\
        -m triton_rag_export.build.launched_distillation RECIPE --out models/student

Every process reads the recipe, the teacher and the texts; the first cuts the corpus, if the recipe names no
files of texts, and writes the student. Then name the student as `generator.model` and take the table
`[generator.distil]` out: everything else of the recipe runs in one process.
"""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from triton_rag_export.build.artifacts import ArtifactCache
from triton_rag_export.build.compression_methods import settings_of
from triton_rag_export.build.compression_steps import model_path
from triton_rag_export.build.context import find_models
from triton_rag_export.build.corpus_steps import cut_corpus, read_passages
from triton_rag_export.build.progress import SilentProgress
from triton_rag_export.errors import ExportError, RecipeError
from triton_rag_export.recipe import Recipe, load_recipe

if TYPE_CHECKING:
    from triton_rag_export.compress.outcome import Progress, StepOutcome


def distil_launched(recipe: Recipe, out: Path, workplace: Path, cache: ArtifactCache) -> "StepOutcome":
    """Distil the generator in all processes that were launched.

    Args:
        recipe: with a table `[generator.distil]`.
        out: the student's folder.
        workplace: checkpoints, and what the teacher said; the same for all processes.
        cache: where the cut corpus is kept; the same for all processes.

    Raises:
        ExportError: the recipe distils no generator, or a model, a text or a setting cannot be used.
    """
    from triton_rag_export.compress.distil_generator import (
        DistilGeneratorSettings,
        distil_generator,
        read_generator_texts,
    )
    from triton_rag_export.compress.training.processes import new_accelerator, processes

    context = find_models(recipe, cache, SilentProgress())
    table = None if recipe.generator is None else recipe.generator.distil
    if table is None or recipe.generator is None or context.generator is None:
        raise RecipeError("the recipe has no [generator.distil]; add it")
    try:
        settings = settings_of(DistilGeneratorSettings, table)
        new_accelerator(settings.training)  # refuses now what it would refuse when teacher and data are read
        with processes().main_process_first():
            passages = () if settings.texts else read_passages(cut_corpus(context).folder)
        texts = read_generator_texts(settings, recipe.generator, passages)
        return distil_generator(
            model_path(context.generator), out, settings, data=texts, workplace=workplace, report=_tell
        )
    except ValueError as error:
        raise RecipeError(f"[generator.distil]: {error}; correct the recipe") from error


def main() -> None:
    """Read the arguments, distil, and say what came of it, in the first process."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("recipe", type=Path, help="the recipe, a TOML file")
    parser.add_argument("--out", type=Path, required=True, help="folder of the student")
    parser.add_argument("--workplace", type=Path, help="folder of checkpoints; default OUT.work")
    arguments = parser.parse_args()
    workplace = arguments.workplace or arguments.out.with_name(f"{arguments.out.name}.work")
    try:
        outcome = distil_launched(load_recipe(arguments.recipe), arguments.out, workplace, ArtifactCache())
    except ExportError as error:
        sys.exit(f"error: {error}")
    from triton_rag_export.compress.training.processes import processes

    if processes().is_main_process:
        sys.stdout.write("".join(f"{note}\n" for note in outcome.notes))
        sys.stdout.write(f"{arguments.out} is ready: {outcome.training_seconds:.1f} s of training\n")


def _tell(progress: "Progress") -> None:
    parts = ", ".join(f"{name} {value:.4f}" for name, value in progress.loss_parts.items())
    quality = "" if progress.quality is None else f", quality {progress.quality:.4f}"
    sys.stdout.write(f"step {progress.step}/{progress.steps}: loss {progress.loss:.4f} ({parts}){quality}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
