"""A few texts about a few things, for encoders of random weights."""

from pathlib import Path

from tiny_encoders import TinyEncoder, save_tiny_encoder
from triton_rag_export.compress.distil_encoder import Development, DistillationData
from triton_rag_export.compress.training import TrainingSettings

THINGS = ("lamp", "river", "bread", "engine", "garden", "piano", "glacier", "market")
QUERIES = tuple(f"What is a {thing} for?" for thing in THINGS)
PASSAGES = tuple(f"{thing.title()}\nA {thing} is a thing that people know well." for thing in THINGS)
OTHERS = tuple(f"Number {number} is followed by {number + 1}." for number in range(24))
PAIRS = tuple((number, number) for number in range(len(THINGS)))


def tiny_data(**changes: object) -> DistillationData:
    development = Development(QUERIES, PASSAGES, range(len(THINGS)))
    defaults = {"queries": QUERIES, "passages": PASSAGES, "others": OTHERS, "development": development}
    return DistillationData(**{**defaults, **changes})  # type: ignore[arg-type]


def tiny_teacher(folder: Path, **changes: object) -> Path:
    return save_tiny_encoder(TinyEncoder(**changes), folder)  # type: ignore[arg-type]


def tiny_training(**changes: object) -> TrainingSettings:
    defaults = {"steps": 60, "batch_size": 8, "learning_rate": 3e-3, "checkpoint_every": 0}
    return TrainingSettings(**{**defaults, **changes})  # type: ignore[arg-type]
