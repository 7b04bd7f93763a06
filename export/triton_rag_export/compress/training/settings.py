"""How a training runs, in one frozen value."""

from dataclasses import dataclass
from typing import Any, Literal

Schedule = Literal["cosine", "linear", "constant"]

_CHOICES: dict[str, tuple[str, ...]] = {
    "schedule": ("cosine", "linear", "constant"),
    "precision": ("fp32", "bf16"),
    "keep": ("last", "best"),
}
_RANGES: dict[str, tuple[float, float]] = {
    "steps": (1, 100_000_000),
    "batch_size": (1, 1_000_000),
    "slices": (1, 100_000),
    "learning_rate": (1e-9, 1.0),
    "warmup": (0.0, 1.0),
    "weight_decay": (0.0, 1.0),
    "clip_norm": (0.0, 1e6),
    "seed": (0, 2**63 - 1),
    "evaluate_every": (0, 100_000_000),
    "checkpoint_every": (0, 100_000_000),
}


@dataclass(frozen=True, slots=True)
class TrainingSettings:
    """How a training runs.

    Attributes:
        steps: updates of the weights, at least 1.
        batch_size: examples of an update, over all processes and slices.
        slices: equal parts that a batch is cut into; the processes share them, and each accumulates the
            gradients of its own. In-batch losses compare the examples of a slice.
        learning_rate: the highest, reached after warm-up.
        schedule: how it falls from there to 0: "cosine", "linear", or "constant" (not at all).
        warmup: share of the steps over which it rises from 0, 0 to 1.
        weight_decay: of AdamW, for matrices; biases, norms and other vectors have none.
        clip_norm: gradients of a larger norm are scaled down to it; 0: never.
        precision: of products and attention; "bf16" keeps weights, gradients and AdamW's state in FP32. On a
            CPU without AMX or AVX512-BF16 it is several times slower than "fp32".
        seed: of the order of the examples and of dropout.
        evaluate_every: steps from one measurement of quality to the next, the last step being one as well;
            0: the last step alone.
        checkpoint_every: steps from one checkpoint to the next; 0: none, as always with shards of weights.
        keep: "best" ends with the weights of the best measured quality, "last" with those of the last step.

    Raises:
        ValueError: a value is out of range; names field, value and what is allowed.
    """

    steps: int = 1000
    batch_size: int = 64
    slices: int = 1
    learning_rate: float = 1e-4
    schedule: Schedule = "cosine"
    warmup: float = 0.05
    weight_decay: float = 0.01
    clip_norm: float = 1.0
    precision: Literal["fp32", "bf16"] = "fp32"
    seed: int = 0
    evaluate_every: int = 0
    checkpoint_every: int = 500
    keep: Literal["last", "best"] = "last"

    def __post_init__(self) -> None:
        for name, (least, most) in _RANGES.items():
            check_range(name, getattr(self, name), least, most)
        for name, choices in _CHOICES.items():
            check_choice(name, getattr(self, name), choices)
        if self.batch_size % self.slices:
            raise ValueError(
                f"slices is {self.slices}; allowed: a divisor of batch_size, which is {self.batch_size}"
            )


def check_range(name: str, value: Any, least: float, most: float) -> None:
    """Refuse a number that is out of range.

    Raises:
        ValueError: names field, value and range.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        raise ValueError(f"{name} is {value!r}; allowed: {least:g} to {most:g}")


def check_choice(name: str, value: Any, choices: tuple[str, ...]) -> None:
    """Refuse a value that is none of the choices.

    Raises:
        ValueError: names field, value and choices.
    """
    if value not in choices:
        raise ValueError(f"{name} is {value!r}; allowed: {', '.join(choices)}")
