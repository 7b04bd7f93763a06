"""What the steps of a build share: the recipe, the models it starts from, the cache, who watches."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from triton_rag_export.build.artifacts import Artifact, ArtifactCache, library_versions, source_hash
from triton_rag_export.build.progress import BuildProgress, StepProgress, step
from triton_rag_export.graph.model_source import ModelSource
from triton_rag_export.recipe import Recipe
from triton_rag_export.served import model_repository_folder

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


@dataclass(frozen=True, slots=True)
class BuildContext:
    """What every step gets.

    Attributes:
        recipe: what to build.
        cache: where artifacts are kept.
        progress: who watches.
        encoder: the retriever's model.
        generator: the model that answers; None when retrieval alone is built.
    """

    recipe: Recipe
    cache: ArtifactCache
    progress: BuildProgress
    encoder: FoundModel
    generator: FoundModel | None

    def artifact(
        self,
        name: str,
        inputs: Mapping[str, Any],
        make: Maker,
        *,
        code: Sequence[str],
        libraries: Sequence[str],
        title: str = "",
    ) -> Artifact:
        """The artifact of a step, from the cache or made now.

        Args:
            name: of the step.
            inputs: everything but code and libraries that decides the result, as JSON values.
            make: makes it.
            code: folders and files of export and of the served models whose source has a hand in it.
            libraries: distributions that have a hand in it.
            title: what the progress display calls it; default the name.
        """
        decided_by = {
            **inputs,
            "code": source_hash(_code_paths(code)),
            "libraries": library_versions(libraries),
        }
        with step(self.progress, title or name) as running:
            artifact = self.cache.get_or_make(name, decided_by, lambda folder: make(folder, running))
            note = running.note or str(artifact.facts.get("note", ""))
            running.note = f"{note} (from the cache)".lstrip() if artifact.reused else note
        return artifact


def _code_paths(names: Sequence[str]) -> list[Path]:
    """`graph` is a folder of export, `query_encoder` one of the served models."""
    export, served = Path(__file__).resolve().parent.parent, model_repository_folder()
    return [path for name in names for path in (export / name, served / name) if path.exists()]
