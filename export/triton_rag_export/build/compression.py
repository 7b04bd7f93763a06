"""Compression: the steps that a recipe names, in order, each an artifact and a row of the ledger.

A step reads a torch model from a folder and writes a smaller one. Its graph is exported in FP32 and measured
beside that of the step before; the precision of the recipe is the last step. A killed run goes on where it
ended: what is finished lies in the cache and in the ledger.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from triton_rag_export.build.artifacts import Artifact, ArtifactCache
from triton_rag_export.build.candidates import Candidate, Measuring
from triton_rag_export.build.compression_methods import method_of
from triton_rag_export.build.compression_steps import run_step
from triton_rag_export.build.context import BuildContext, FoundModel, find_models
from triton_rag_export.build.corpus_steps import cut_corpus
from triton_rag_export.build.ledger_rows import Done, LedgerWriter, refuse_unjudged
from triton_rag_export.build.model_steps import encoder_graph, generator_graph, prompt_files
from triton_rag_export.build.output import check_output, new_folder, place_file
from triton_rag_export.build.precision_choice import choose_precision
from triton_rag_export.build.progress import BuildProgress, SilentProgress
from triton_rag_export.errors import BuildError
from triton_rag_export.evaluate.ledger.row import Goal, Kind, LedgerRow
from triton_rag_export.graph.model_source import model_files
from triton_rag_export.recipe import EncoderRecipe, GeneratorRecipe, Recipe
from triton_rag_export.recipe.compression import steps_of

ORIGINAL = "original"
MODEL_MARK = "config.json"
GOALS: dict[str, tuple[Goal, ...]] = {
    "fp16": ("smaller",),
    "int8": ("smaller", "faster"),
    "int8_static": ("smaller",),
    "int4": ("smaller",),
}
"""What a precision is for. On a CPU, halves are made floats again before they are multiplied; static INT8 is
for other runtimes."""


@dataclass(frozen=True, slots=True)
class Compressed:
    """What the steps left.

    Attributes:
        models: torch models after the last step, by kind.
        precisions: of their graphs, chosen where the recipe says auto.
        rows: of this run.
    """

    models: dict[Kind, FoundModel]
    precisions: dict[Kind, str]
    rows: Sequence[LedgerRow]


@dataclass(frozen=True, slots=True)
class CompressionReport:
    """What a compression gave.

    Attributes:
        ledger: the file.
        rows: of this run, those that were in the ledger already included.
        models: the torch models after the last step, by kind.
        seconds: how long it took.
    """

    ledger: Path
    rows: Sequence[LedgerRow]
    models: dict[Kind, FoundModel]
    seconds: float


def compress(
    recipe: Recipe,
    ledger: Path,
    progress: BuildProgress | None = None,
    *,
    cache: ArtifactCache | None = None,
    out: Path | None = None,
) -> CompressionReport:
    """Run the compression that a recipe describes, and measure every step of it.

    Args:
        recipe: what to do.
        ledger: rows are appended to it; made if it is missing.
        progress: who watches; default nobody.
        cache: where artifacts are kept; default `ArtifactCache()`.
        out: folder to put the torch models into, as `encoder` and `generator`; older ones there are replaced.

    Raises:
        GateError: a step loses more than the recipe allows, or misses its goal; its row is in the ledger.
        RecipeError: there is no judged data, and a gate that judges by it.
        ExportError: recipe, corpus, data, a model or the ledger cannot be used.
    """
    started_s = time.monotonic()
    refuse_unjudged(recipe)
    context = find_models(recipe, cache or ArtifactCache(), progress or SilentProgress())
    passages = cut_corpus(context)
    compressed = compress_models(context, passages, ledger)
    if out is not None:
        for kind, model in compressed.models.items():
            _place_model(model, out / kind)
    return CompressionReport(ledger, compressed.rows, compressed.models, time.monotonic() - started_s)


def compress_models(context: BuildContext, passages: Artifact, ledger: Path) -> Compressed:
    """Compress the models of a build; the same as `compress`, over a corpus that is cut already."""
    prompt = None
    found: dict[Kind, FoundModel] = {"encoder": context.encoder}
    if context.generator is not None and context.recipe.generator is not None:
        prompt = prompt_files(context, context.generator, context.recipe.generator)
        found["generator"] = context.generator
    writer = LedgerWriter(Measuring(context, passages, prompt), ledger)
    left = {kind: _compress_model(context, passages, writer, kind, model) for kind, model in found.items()}
    return Compressed(
        models={kind: model for kind, (model, _) in left.items()},
        precisions={kind: precision for kind, (_, precision) in left.items()},
        rows=writer.rows,
    )


def _compress_model(
    context: BuildContext, passages: Artifact, writer: LedgerWriter, kind: Kind, model: FoundModel
) -> tuple[FoundModel, str]:
    """The torch model after the last step, and the precision that its graph will have."""

    def exported(step: str, found: FoundModel, precision: str = "fp32") -> Candidate:
        return _candidate(context, passages, kind, found, precision, step, original.graph)

    recipe = recipe_of(context, kind)
    original = _candidate(context, passages, kind, model, "fp32", ORIGINAL, None)
    row = writer.add(original, None, original, Done())
    before = original
    for name, table in steps_of(recipe).items():
        result = run_step(context, passages, kind, name, table, before.model)
        candidate = exported(name, result.model)
        goals = method_of(kind, name).goals(table)
        done = Done(table.model_dump(mode="json"), goals, result.training, result.notes)
        row = writer.add(candidate, (before, row), original, done)
        before = candidate
    precision: str = recipe.precision
    if precision == "auto":
        precision, row = choose_precision(context, writer, (before, row), original, exported)
    elif precision != "fp32":
        done = Done({"precision": precision}, GOALS[precision])
        row = writer.add(exported(precision, before.model, precision), (before, row), original, done)
    writer.end_with(row)
    return before.model, precision


def recipe_of(context: BuildContext, kind: Kind) -> EncoderRecipe | GeneratorRecipe:
    """The table of a model.

    Raises:
        BuildError: the recipe has none.
    """
    recipe = context.recipe.encoder if kind == "encoder" else context.recipe.generator
    if recipe is None:
        raise BuildError("there is no generator in the recipe; add [generator]")
    return recipe


def _candidate(
    context: BuildContext,
    passages: Artifact,
    kind: Kind,
    model: FoundModel,
    precision: str,
    step: str,
    original: Artifact | None,
) -> Candidate:
    """A model after a step, its graph, and the graph whose index an encoder's queries may search."""
    graph = _graph(context, passages, kind, model, precision, step)
    index = original if kind == "encoder" else None
    if kind == "encoder" and context.passage_encoder is not None:
        index = _graph(context, passages, kind, context.passage_encoder, precision, f"{step}, for passages")
    return Candidate(kind, step, model, graph, index)


def _graph(
    context: BuildContext, passages: Artifact, kind: Kind, model: FoundModel, precision: str, step: str
) -> Artifact:
    title, recipe = f"export the {kind} after {step!r}", recipe_of(context, kind)
    if isinstance(recipe, EncoderRecipe):
        return encoder_graph(context, passages, precision, model=model, title=title)  # type: ignore[arg-type]
    will_serve = recipe.precision in (precision, "auto")
    changed = {"precision": precision} | ({} if will_serve else {"cache": "auto"})
    return generator_graph(context, model, recipe.model_copy(update=changed), passages, title=title)


def _place_model(model: FoundModel, out: Path) -> None:
    """Put a torch model's files into a folder that a recipe can name."""
    check_output(out, MODEL_MARK, "a model")
    with new_folder(out, MODEL_MARK, "a model") as folder:
        for path in model_files(model.source):
            place_file(path, folder / path.relative_to(model.source.folder))
