"""One row of the ledger: what a step of compression did to a model, and what that cost and brought.

Every row stands for itself: it names its parent, and carries the figures of both that were taken in turns in
one run. A row never compares times of different runs.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

FORMAT = 1

Kind = Literal["encoder", "generator"]
Goal = Literal["smaller", "faster"]

RETRIEVAL = ("nDCG@10", "recall@10", "MRR")
"""Measures of an encoder's quality, 0 to 1."""
ANSWERS = ("exact match", "F1", "ROUGE-L")
"""Measures of a generator's quality, 0 to 1."""


@dataclass(frozen=True, slots=True)
class Size:
    """How large a model is.

    Attributes:
        parameters: numbers in its tensors, each tied tensor once.
        nonzero: those that are not 0: pruning without structure leaves zeros where they are.
        graph_bytes: of the exported graph with its weights, on disk.
    """

    parameters: int
    nonzero: int
    graph_bytes: int


@dataclass(frozen=True, slots=True)
class Speed:
    """How fast a graph runs in a process of its own, with the code that serves.

    Attributes:
        latency_p50_ms: median time of a request alone: an encoder's query, a generator's answer.
        latency_p95_ms: 95th percentile.
        throughput: tokens a second of a full batch: read by an encoder, written by a generator.
        peak_memory_bytes: the most that the process had resident (VmHWM), Python and libraries included.
    """

    latency_p50_ms: float
    latency_p95_ms: float
    throughput: float
    peak_memory_bytes: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """A step beside its parent, both timed in turns in one run.

    Attributes:
        parent: the parent's speed in this run.
        latency: the step's latency over the parent's, the median over the turns; below 1 is faster.
        throughput: the step's throughput over the parent's, the median over the turns; above 1 is faster.
        graph_bytes: the step's graph over the parent's; below 1 is smaller.
        turns: how often each had its turn.
    """

    parent: Speed
    latency: float
    throughput: float
    graph_bytes: float
    turns: int


@dataclass(frozen=True, slots=True)
class Training:
    """What a step's training took.

    Attributes:
        seconds: of wall-clock time.
        flops: floating point operations of teacher and student, forward and backward.
    """

    seconds: float
    flops: float


@dataclass(frozen=True, slots=True)
class Failure:
    """A figure that the recipe's gate does not allow.

    Attributes:
        figure: its name, such as `nDCG@10 on medquad`.
        message: what it is, what is allowed, and by how much it misses that.
    """

    figure: str
    message: str


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """What a step did.

    Attributes:
        key: hash of everything that decided the row: models, settings, data, code, libraries, machine.
        recipe: name of the recipe.
        kind: of model.
        step: its name in the recipe, `original` for the model that the recipe names, or a precision.
        settings: of the step, as the recipe gives them.
        goals: what the step is for; one that misses its goal does not pass the gate.
        parent: key of the row before; None for the original.
        model: fingerprint of the torch model.
        made: time in UTC.
        size: how large the model is.
        speed: how fast it is.
        against_parent: both in turns; None for the original.
        quality: by data set, then by measure; `DATA SET, teacher's index` has an encoder's queries search
            the passages of `encoder.passage_model`, in the precision of the row, else of the original model.
        distance: from the original model: `cosine` of an encoder, `KL` in nats and `top-1 agreement` of a
            generator, by data set as above.
        training: None where nothing was trained.
        notes: what a reader should know, a phrase each.
        failures: what the gate does not allow.
        machine: what the times were taken on.
        versions: of Python and libraries.
        is_chosen: whether the model goes this way; a precision that was measured and left is a row too.
        format: of this row.
    """

    key: str
    recipe: str
    kind: Kind
    step: str
    settings: Mapping[str, Any]
    goals: tuple[Goal, ...]
    parent: str | None
    model: str
    made: str
    size: Size
    speed: Speed
    against_parent: Comparison | None
    quality: Mapping[str, Mapping[str, float]]
    distance: Mapping[str, Mapping[str, float]]
    training: Training | None
    machine: Mapping[str, Any]
    versions: Mapping[str, str]
    notes: tuple[str, ...] = field(default=())
    failures: tuple[Failure, ...] = field(default=())
    is_chosen: bool = True
    format: int = FORMAT


TEACHERS_INDEX = ", teacher's index"
"""Ends the name of a data set whose passages were embedded by another encoder, see `LedgerRow.quality`."""
