"""`build`: from a recipe to a repository. The steps in order; each is described where it is made."""

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from triton_rag_export.build.artifacts import Artifact, ArtifactCache
from triton_rag_export.build.assemble import Parts, assemble
from triton_rag_export.build.compression import compress_models, recipe_of
from triton_rag_export.build.context import BuildContext, find_models
from triton_rag_export.build.corpus_steps import cut_corpus, embed_corpus, index_corpus
from triton_rag_export.build.describe import INDEX_KEY, INDEX_VERSION, Made, describe
from triton_rag_export.build.ledger_rows import refuse_unjudged
from triton_rag_export.build.model_steps import (
    encoder_graph,
    generator_graph,
    passage_encoder_graph,
    prompt_files,
)
from triton_rag_export.build.output import check_output, new_folder
from triton_rag_export.build.progress import BuildProgress, SilentProgress, step
from triton_rag_export.build.quality import measure_retrieval_quality
from triton_rag_export.errors import BuildError, RepositoryError
from triton_rag_export.recipe import Recipe
from triton_rag_export.repository import Manifest, lint, read_manifest, write_manifest
from triton_rag_export.served_errors import served_errors_as


@dataclass(frozen=True, slots=True)
class BuildReport:
    """What a build gave.

    Attributes:
        repository: the folder, ready to serve.
        manifest: what was built from what, and how good it is.
        seconds: how long it took.
        reused: names of the steps whose artifact lay in the cache.
    """

    repository: Path
    manifest: Manifest
    seconds: float
    reused: tuple[str, ...]

    @property
    def size_bytes(self) -> int:
        """Of all files together."""
        return sum(entry.size_bytes for entry in self.manifest.files)


@served_errors_as(BuildError, "the build failed in the code that serves")
def build(
    recipe: Recipe,
    out: Path,
    progress: BuildProgress | None = None,
    *,
    cache: ArtifactCache | None = None,
    quality_data: Path | None = None,
    quality_limit: int | None = None,
    ledger: Path | None = None,
) -> BuildReport:
    """Build the repository that a recipe describes.

    Args:
        recipe: what to build.
        out: the folder; an older repository there is replaced when the new one is complete.
        progress: who watches; default nobody.
        cache: where artifacts are kept; default `ArtifactCache()`.
        quality_data: judged data sets to measure the encoder's precision on (see `quality`).
        quality_limit: so many questions of each.
        ledger: where the steps of the recipe's compression are measured; default `OUT.ledger.jsonl`.

    Raises:
        GateError: a step of compression loses more than the recipe allows, or misses its goal.
        ExportError: recipe, corpus, a model or the output folder cannot be used; `out` is as it was.
    """
    started_s = time.monotonic()
    check_output(out)
    if recipe.is_compressed:
        refuse_unjudged(recipe)
    context = find_models(recipe, cache or ArtifactCache(), progress or SilentProgress())
    generator = prompt = None
    if context.generator is not None and recipe.generator is not None:
        prompt = prompt_files(context, context.generator, recipe.generator)
    passages = cut_corpus(context)
    context = _compressed(context, passages, ledger or out.with_name(f"{out.name}.ledger.jsonl"))
    recipe = context.recipe
    encoder = encoder_graph(context, passages)
    embedding = passage_encoder_graph(context, passages, encoder)
    vectors = embed_corpus(context, passages, embedding)
    index = index_corpus(context, passages, vectors, encoder, embedding)
    if context.generator is not None and recipe.generator is not None:
        generator = generator_graph(context, context.generator, recipe.generator, passages)
    quality = measure_retrieval_quality(context, passages, encoder, quality_data, quality_limit)
    version = _index_version(out, index.key)
    made = Made(passages, vectors, encoder, embedding, index, version, generator, quality)
    manifest = _written(context, made, Parts(encoder, index, generator, prompt), out)
    steps = {"passages": passages, "encoder": encoder, "vectors": vectors, "index": index}
    steps |= {"generator": generator, "prompt": prompt} if generator and prompt else {}
    reused = tuple(name for name, artifact in steps.items() if artifact.reused)
    return BuildReport(out, manifest, time.monotonic() - started_s, reused)


def _written(context: BuildContext, made: Made, parts: Parts, out: Path) -> Manifest:
    """Put the repository together beside `out`, check it, and move it there."""
    with new_folder(out) as workplace:
        with step(context.progress, "assemble the repository"):
            assemble(context.recipe, parts, workplace, index_version=made.index_version)
        with step(context.progress, "write the manifest"):
            manifest = describe(context, made, workplace)
            write_manifest(manifest, workplace)
        with step(context.progress, "check the repository"):
            _refuse_faults(workplace)
    return manifest


def _compressed(context: BuildContext, passages: Artifact, ledger: Path) -> BuildContext:
    """The build with the models that the recipe's compression leaves, if any, each step of it measured."""
    if not context.recipe.is_compressed:
        return context
    compressed = compress_models(context, passages, ledger)
    tables: dict[str, Any] = {
        kind: recipe_of(context, kind).model_copy(update={"precision": precision})
        for kind, precision in compressed.precisions.items()
    }
    return replace(
        context,
        recipe=context.recipe.model_copy(update=tables),
        encoder=compressed.models["encoder"],
        generator=compressed.models.get("generator"),
    )


def _index_version(out: Path, index_key: str) -> int:
    """The version of `passage_search`: that of the repository at `out`, or the next if the index differs."""
    try:
        corpus: dict[str, Any] = dict(read_manifest(out).corpus)
    except RepositoryError:
        return 1
    version = int(corpus.get(INDEX_VERSION, 0))
    return version if version and corpus.get(INDEX_KEY) == index_key else version + 1


def _refuse_faults(repository: Path) -> None:
    findings = lint(repository)
    if findings:
        listed = "\n".join(f"  {finding}" for finding in findings)
        raise BuildError(f"the assembled repository has faults:\n{listed}\nplease report this")
