"""What a step needs to know of a model beside its weights: the data it is judged by, and how it recovers."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from triton_rag_export.compress.low_rank import Call
from triton_rag_export.compress.outcome import Report, StepOutcome
from triton_rag_export.compress.pruning import Loss


class Recovery(Protocol):
    """A model in memory, with the examples and the training of its kind."""

    @property
    def model(self) -> Any:
        """The transformers model, which the step changes in place."""

    def losses(self, examples: int) -> Sequence[Loss]:
        """The model's loss on batches of at most so many of its examples, spread over all of them."""

    def calls(self, examples: int) -> Sequence[Call]:
        """Runs of the model on at most so many of its examples, each without padding."""

    def train(self, workplace: Path, report: Report, *, parts: int = 1) -> StepOutcome:
        """Train the model in place.

        Args:
            workplace: folder of the checkpoints; a training that was killed goes on from them.
            report: called after every update.
            parts: how many trainings share the steps of the settings.
        """

    def save(self, target: Path) -> None:
        """Write the model and what belongs to it into a folder that a recipe can name."""
