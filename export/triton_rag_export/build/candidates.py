"""A model after a step of compression, and what it is measured on."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from triton_rag_export.build.artifacts import Artifact
from triton_rag_export.build.context import BuildContext, FoundModel
from triton_rag_export.build.quality import data_fingerprint
from triton_rag_export.evaluate.judged_data import find_judged_data
from triton_rag_export.evaluate.ledger.row import Kind


@dataclass(frozen=True, slots=True)
class Candidate:
    """A model after a step, and its graph.

    Attributes:
        kind: of model.
        step: its name.
        model: the torch model.
        graph: exported.
        index: the graph that embeds the passages which an encoder's queries search in another's index: that
            of `encoder.passage_model` in this graph's precision, as it will serve, else that of the original.
            None for a generator, and for the original without a `passage_model`.
    """

    kind: Kind
    step: str
    model: FoundModel
    graph: Artifact
    index: Artifact | None = None


@dataclass(frozen=True, slots=True)
class Measuring:
    """What candidates are measured on.

    Attributes:
        context: the build.
        passages: the cut corpus.
        prompt: what `prompt_builder` reads; None when retrieval alone is built.
    """

    context: BuildContext
    passages: Artifact
    prompt: Artifact | None

    @property
    def data_sets(self) -> dict[str, Path]:
        """Folders of judged data, by name."""
        folder = self.context.recipe.ledger.data
        return {} if folder is None else find_judged_data(folder)

    @property
    def decided_by(self) -> dict[str, Any]:
        """What decides every figure beside models and machine, as JSON values."""
        recipe = self.context.recipe
        return {
            "data": {name: data_fingerprint(path) for name, path in self.data_sets.items()},
            "ledger": recipe.ledger.model_dump(mode="json", exclude={"data"}),
            "passages": self.passages.key,
            "prompt": self.prompt.key if self.prompt else None,
            "serving": recipe.serving.model_dump(mode="json"),
        }
