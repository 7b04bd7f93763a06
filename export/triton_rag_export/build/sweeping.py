"""Which temperature? Short runs of a generator's distillation, by the recipe that will run it in full."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from triton_rag_export.build.artifacts import ArtifactCache, key_of
from triton_rag_export.build.compression_methods import settings_of
from triton_rag_export.build.compression_steps import WORK_FOLDER, model_path
from triton_rag_export.build.context import find_models
from triton_rag_export.build.corpus_steps import CONTENT, cut_corpus, read_passages
from triton_rag_export.build.progress import BuildProgress, SilentProgress, step
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
    from triton_rag_export.compress.distil_generator import (
        DistilGeneratorSettings,
        read_generator_texts,
        sweep,
    )

    context = find_models(recipe, cache or ArtifactCache(), progress or SilentProgress())
    table = None if recipe.generator is None else recipe.generator.distil
    if table is None or recipe.generator is None or context.generator is None:
        raise RecipeError(
            "--sweep: the recipe has no [generator.distil]; add it, with everything but the values"
        )
    passages = cut_corpus(context)
    decided_by = [context.generator.fingerprint, passages.facts[CONTENT], table.model_dump(mode="json")]
    workplace = context.cache.folder.parent / WORK_FOLDER / "sweep" / key_of("sweep", {"by": decided_by})[:32]
    workplace.mkdir(parents=True, exist_ok=True)
    with step(context.progress, "sweep") as running:

        def report(temperature: float, alpha: float, progress: "Progress") -> None:
            words = f"temperature {temperature:g}, alpha {alpha:g}, loss {progress.loss:.4f}"
            running.advance(progress.step, progress.steps, words)

        try:
            settings = settings_of(DistilGeneratorSettings, table)
            return sweep(
                model_path(context.generator),
                settings,
                data=read_generator_texts(settings, recipe.generator, read_passages(passages.folder)),
                workplace=workplace,
                temperature=values.get("temperature", (table.temperature,)),
                alpha=values.get("alpha", (table.alpha,)),
                steps=steps,
                report=report,
            )
        except ValueError as error:
            raise RecipeError(f"--sweep: {error}") from error
