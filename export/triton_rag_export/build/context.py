"""What the steps of a build share: the recipe, the models it starts from, the cache, who watches."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from triton_rag_export.build.artifacts import Artifact, ArtifactCache, library_versions, source_hash
from triton_rag_export.build.progress import BuildProgress, StepProgress, step
from triton_rag_export.build.source_closure import source_file, source_files
from triton_rag_export.graph.model_source import (
    ModelSource,
    fingerprint,
    is_encoder_decoder,
    resolve_model,
)
from triton_rag_export.recipe import Recipe

Maker = Callable[[Path, StepProgress], Mapping[str, Any]]
"""Fills a folder and returns facts as JSON values."""


@dataclass(frozen=True, slots=True)
class FoundModel:
    """A model that the recipe names, on this machine's disk.

    Attributes:
        source: where.
        fingerprint: SHA-256 over its weights and tokenizer.
    """

    source: ModelSource
    fingerprint: str

    @property
    def is_encoder_decoder(self) -> bool:
        """Whether the model reads a source with an encoder and writes with a decoder, as T5 does."""
        return is_encoder_decoder(self.source)


@dataclass(frozen=True, slots=True)
class BuildContext:
    """What every step gets.

    Attributes:
        recipe: what to build.
        cache: where artifacts are kept.
        progress: who watches.
        encoder: the retriever's model.
        generator: the model that answers; None when retrieval alone is built.
        passage_encoder: the model that embeds passages, where it is another one than the retriever's.
    """

    recipe: Recipe
    cache: ArtifactCache
    progress: BuildProgress
    encoder: FoundModel
    generator: FoundModel | None
    passage_encoder: FoundModel | None = None

    @property
    def indexing_encoder(self) -> FoundModel:
        """The model that embeds passages: it decides how long they may be."""
        return self.passage_encoder or self.encoder

    def artifact(
        self,
        name: str,
        inputs: Mapping[str, Any],
        make: Maker,
        *,
        code: Sequence[str],
        own_code: Sequence[str],
        libraries: Sequence[str],
        title: str = "",
    ) -> Artifact:
        """The artifact of a step, from the cache or made now.

        Args:
            name: of the step.
            inputs: everything but code and libraries that decides the result, as JSON values.
            make: makes it.
            code: modules that make it; all that they import of ours counts with them.
            own_code: modules of which their own file counts alone, such as that of the step.
            libraries: distributions that have a hand in it.
            title: what the progress display calls it; default the name.
        """
        decided_by = decided_by_all(inputs, code, own_code, libraries)
        with step(self.progress, title or name) as running:
            artifact = self.cache.get_or_make(name, decided_by, lambda folder: make(folder, running))
            note = running.note or str(artifact.facts.get("note", ""))
            running.note = f"{note} (from the cache)".lstrip() if artifact.reused else note
        return artifact


def decided_by_all(
    inputs: Mapping[str, Any], code: Sequence[str], own_code: Sequence[str], libraries: Sequence[str]
) -> dict[str, Any]:
    """Everything that decides an artifact, see `BuildContext.artifact`."""
    return {
        **inputs,
        "code": source_hash([*source_files(code), *map(source_file, own_code)]),
        "libraries": library_versions(libraries),
    }


def find_models(recipe: Recipe, cache: ArtifactCache, progress: BuildProgress) -> BuildContext:
    """Find the models that a recipe names.

    Raises:
        ModelSourceError: one of them is not there.
    """
    with step(progress, "find the models") as running:
        encoder = find_model(recipe.encoder.model)
        generator = None if recipe.generator is None else find_model(recipe.generator.model)
        passage_model = recipe.encoder.passage_model
        passage_encoder = None if passage_model is None else find_model(passage_model)
        running.note = ", ".join(
            model.source.name for model in (encoder, passage_encoder, generator) if model
        )
    return BuildContext(recipe, cache, progress, encoder, generator, passage_encoder)


def find_model(name: str) -> FoundModel:
    """A model by the name that a recipe gives it, or by its folder.

    Raises:
        ModelSourceError: it is not there.
    """
    source = resolve_model(name)
    return FoundModel(source, fingerprint(source))
