"""What a step of compression tells while it works, and what it leaves behind for the ledger."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a step is.

    Attributes:
        step: updates of the weights done, from 1.
        steps: updates in all.
        loss_parts: each part of the loss by name, mean over the batch of this step, without its weight.
        loss: their weighted sum.
        quality: on development data, higher is better; None at steps that did not measure it.
    """

    step: int
    steps: int
    loss_parts: Mapping[str, float]
    loss: float
    quality: float | None = None


Report = Callable[[Progress], None]
"""Hears of each update."""


@dataclass(frozen=True, slots=True)
class StepOutcome:
    """What a step of compression took and gave; the compressed model lies in the step's target folder.

    Attributes:
        training_seconds: wall-clock time of training, that of interrupted runs included; 0 without training.
        training_flops: floating-point operations of training, as torch counts matrix products, attention
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
