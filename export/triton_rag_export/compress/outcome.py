"""What a step of compression tells while it works, and what it leaves behind for the ledger."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Self


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a step is.

    Attributes:
        step: updates of the weights done, from 1.
        steps: updates in all.
        loss_parts: each part of the loss by name, mean over the batch of this step, without its weight.
        loss: their weighted sum.
        quality: on development data, higher is better; None at steps that did not measure it.
        preparing: before training, what is made ready; `step` of `steps` are its units then. Else empty.
    """

    step: int
    steps: int
    loss_parts: Mapping[str, float]
    loss: float
    quality: float | None = None
    preparing: str = ""

    @classmethod
    def before_training(cls, preparing: str, step: int, steps: int) -> Self:
        """How far something is that training needs."""
        return cls(step, steps, {}, 0.0, preparing=preparing)


Report = Callable[[Progress], None]
"""Hears of each update, and of what is made ready before."""


@dataclass(frozen=True, slots=True)
class StepOutcome:
    """What a step of compression took and gave; the compressed model lies in the step's target folder.

    Attributes:
        training_seconds: wall-clock time of training, that of interrupted runs and of a teacher's vectors
            included; 0 without training.
        training_flops: floating-point operations of the same, as torch counts matrix products, attention
            and their gradients, a multiplication and an addition being two.
        examples: examples seen, each counted as often as it was seen.
        best_quality: the best quality on development data, None where it was never measured.
        notes: what a reader of the ledger should know, a phrase each.
    """

    training_seconds: float = 0.0
    training_flops: float = 0.0
    examples: int = 0
    best_quality: float | None = None
    notes: tuple[str, ...] = field(default=())
