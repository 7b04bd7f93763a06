"""A small module with dropout that learns a linear map, and a way to train it in a process of its own.

    python tiny_task.py WORKPLACE OUT [NAME=VALUE of the settings ...]

writes the weights to OUT, and a line of JSON a step to standard output.
"""

import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import nn
from triton_rag_export.compress.outcome import Progress
from triton_rag_export.compress.training import Task, TrainingData, TrainingSettings, train

EXAMPLES, WIDTH = 48, 6


def tiny_module(dropout: float = 0.2) -> nn.Module:
    torch.manual_seed(5)
    return nn.Sequential(
        nn.Linear(WIDTH, 16), nn.LayerNorm(16), nn.Dropout(dropout), nn.GELU(), nn.Linear(16, 2)
    )


def pairs() -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Rows and what they are mapped to."""
    random = torch.Generator().manual_seed(7)
    rows = torch.randn(EXAMPLES, WIDTH, generator=random)
    return list(zip(rows, rows @ torch.randn(WIDTH, 2, generator=random), strict=True))


def collate(examples: Sequence[tuple[torch.Tensor, torch.Tensor]]) -> dict[str, torch.Tensor]:
    rows, targets = zip(*examples, strict=True)
    return {"rows": torch.stack(rows), "targets": torch.stack(targets)}


def loss(module: Any, batch: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """How far each output is, and how far the outputs' differences within the slice are."""
    found, targets = module(batch["rows"]), batch["targets"]
    between = (found[:, None] - found) - (targets[:, None] - targets)
    return {"error": (found - targets).square().mean(), "between": between.abs().mean()}


def tiny_task(module: nn.Module, **changes: Any) -> Task:
    data = TrainingData(pairs(), collate, ids=[f"row-{number}" for number in range(EXAMPLES)])
    return Task(**{"module": module, "loss": loss, "data": data, **changes})


def tiny_settings(**changes: Any) -> TrainingSettings:
    defaults = {"steps": 12, "batch_size": 8, "slices": 2, "learning_rate": 0.01, "checkpoint_every": 4}
    return TrainingSettings(**{**defaults, **changes})


def trained(
    workplace: Path, *, on_progress: Callable[[Progress], None] = lambda _: None, **changes: Any
) -> Any:
    """The weights after a training."""
    module = tiny_module()
    train(tiny_task(module), tiny_settings(**changes), workplace=workplace, report=on_progress)
    return module.state_dict()


def main() -> None:
    """Train as the command line says."""
    from safetensors.torch import save_file

    workplace, out, *changes = sys.argv[1:]
    settings = {name: json.loads(value) for name, _, value in (change.partition("=") for change in changes)}
    weights = trained(
        Path(workplace),
        on_progress=lambda progress: print(json.dumps(asdict(progress)), flush=True),
        **settings,
    )
    if os.environ.get("RANK", "0") == "0":
        save_file(weights, out)


if __name__ == "__main__":
    main()
