"""Which temperature? Short runs of a generator's distillation, by the recipe that will run it in full."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from triton_rag_export.build.artifacts import ArtifactCache, key_of
from triton_rag_export.build.compression_methods import settings_of
from triton_rag_export.build.compression_steps import WORK_FOLDER, model_path
from triton_rag_export.build.context import BuildContext, find_models
from triton_rag_export.build.corpus_steps import CONTENT, cut_corpus, read_passages
from triton_rag_export.build.progress import BuildProgress, SilentProgress, StepProgress, step
from triton_rag_export.corpus import Passage
from triton_rag_export.errors import RecipeError
from triton_rag_export.recipe import Recipe

if TYPE_CHECKING:
    from triton_rag_export.compress.distil_generator import SweepReport
    from triton_rag_export.compress.outcome import Progress

SWEPT = ("temperature", "alpha")


def parse_sweep(words: Sequence[str]) -> dict[str, tuple[float, ...]]:
    """The values of a sweep, from words such as `temperature=1,2,4`.

    Raises:
        RecipeError: a word is not of that form, or names another key.
    """
    found: dict[str, tuple[float, ...]] = {}
    for word in words:
        name, _, values = word.partition("=")
        try:
            numbers = tuple(float(value) for value in values.split(","))
        except ValueError:
            numbers = ()
        if name not in SWEPT or name in found or not numbers:
            allowed = " and ".join(f"{key}=NUMBER,NUMBER…" for key in SWEPT)
            raise RecipeError(f"--sweep {word}: not allowed; allowed: {allowed}, each at most once")
        found[name] = numbers
    return found


def sweep_generator(
    recipe: Recipe,
    values: Mapping[str, Sequence[float]],
    steps: int,
    progress: BuildProgress | None = None,
    *,
    cache: ArtifactCache | None = None,
) -> "SweepReport":
    """Train the student of `[generator.distil]` with every pair of values, for some steps each.

    Args:
        recipe: what would be distilled in full.
        values: by key, `temperature` and `alpha`; one that is missing is as in the recipe.
        steps: updates of each run.
        progress: who watches; default nobody.
        cache: where artifacts are kept; default `ArtifactCache()`.

    Raises:
        ExportError: the recipe distils no generator, or a value, a model or a text cannot be used.
    """
    context = find_models(recipe, cache or ArtifactCache(), progress or SilentProgress())
    generator, table = context.generator, None if recipe.generator is None else recipe.generator.distil
    if generator is None or table is None:
        raise RecipeError("--sweep: the recipe has no [generator.distil]; add it, with all but the values")
    passages = cut_corpus(context)
    decided_by = [generator.fingerprint, passages.facts[CONTENT], table.model_dump(mode="json")]
    workplace = context.cache.folder.parent / WORK_FOLDER / "sweep" / key_of("sweep", {"by": decided_by})[:32]
    workplace.mkdir(parents=True, exist_ok=True)
    every = {"temperature": (table.temperature,), "alpha": (table.alpha,), **values}
    with step(context.progress, "sweep") as running:
        return _sweep(context, read_passages(passages.folder), every, steps, workplace, running)


def _sweep(
    context: BuildContext,
    passages: Sequence[Passage],
    values: Mapping[str, Sequence[float]],
    steps: int,
    workplace: Path,
    running: StepProgress,
) -> "SweepReport":
    from triton_rag_export.compress import distil_generator as distillation

    def report(temperature: float, alpha: float, progress: "Progress") -> None:
        words = f"temperature {temperature:g}, alpha {alpha:g}, loss {progress.loss:.4f}"
        running.advance(progress.step, progress.steps, words)

    recipe = context.recipe.generator
    if recipe is None or recipe.distil is None or context.generator is None:
        raise RecipeError("there is no [generator.distil]; add it")
    try:
        settings = settings_of(distillation.DistilGeneratorSettings, recipe.distil)
        return distillation.sweep(
            model_path(context.generator),
            settings,
            data=distillation.read_generator_texts(settings, recipe, passages),
            workplace=workplace,
            temperature=values["temperature"],
            alpha=values["alpha"],
            steps=steps,
            report=report,
        )
    except ValueError as error:
        raise RecipeError(f"--sweep: {error}") from error
