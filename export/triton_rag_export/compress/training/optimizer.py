"""AdamW (Loshchilov and Hutter, 2019, https://arxiv.org/abs/1711.05101), its schedule, its state as tensors.

The schedule is a function of the step, and the state goes by the names of parameters: so a checkpoint
needs no pickle.
"""

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from triton_rag_export.compress.training.settings import TrainingSettings

BETAS = (0.9, 0.999)
EPSILON = 1e-8
MOMENTS = ("step", "exp_avg", "exp_avg_sq")
"""What torch's AdamW keeps of each parameter."""


def new_optimizer(module: nn.Module, settings: TrainingSettings) -> torch.optim.AdamW:
    """An optimizer of all parameters that require a gradient.

    Raises:
        ValueError: there is none.
    """
    trained = [parameter for parameter in module.parameters() if parameter.requires_grad]
    if not trained:
        raise ValueError("no parameter of the module requires a gradient; allowed: at least one")
    matrices = [parameter for parameter in trained if parameter.ndim > 1]
    vectors = [parameter for parameter in trained if parameter.ndim <= 1]
    groups: list[dict[str, Any]] = [{"params": matrices}, {"params": vectors, "weight_decay": 0.0}]
    return torch.optim.AdamW(
        [group for group in groups if group["params"]],
        lr=settings.learning_rate,
        betas=BETAS,
        eps=EPSILON,
        weight_decay=settings.weight_decay,
        fused=trained[0].device.type in ("cpu", "cuda"),
    )


def learning_rate(step: int, settings: TrainingSettings) -> float:
    """The learning rate of a step, counted from 0."""
    warmup = round(settings.warmup * settings.steps)
    if step < warmup:
        return settings.learning_rate * (step + 1) / warmup
    left = (settings.steps - step) / max(1, settings.steps - warmup)  # 1 after warm-up, 0 behind the last
    match settings.schedule:
        case "cosine":
            return settings.learning_rate * 0.5 * (1 + math.cos(math.pi * (1 - left)))
        case "linear":
            return settings.learning_rate * left
        case "constant":
            return settings.learning_rate


def state_tensors(module: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, torch.Tensor]:
    """The optimizer's state, as `NAME OF PARAMETER|NAME OF MOMENT`."""
    return {
        f"{name}|{moment}": optimizer.state[parameter][moment].detach()
        for name, parameter in module.named_parameters()
        if parameter in optimizer.state
        for moment in MOMENTS
    }


def load_state_tensors(
    module: nn.Module, optimizer: torch.optim.Optimizer, tensors: Mapping[str, torch.Tensor]
) -> None:
    """Give an optimizer the state that `state_tensors` gave."""
    for name, parameter in module.named_parameters():
        if f"{name}|{MOMENTS[0]}" in tensors:
            optimizer.state[parameter] = {
                moment: tensors[f"{name}|{moment}"].to(parameter.device).clone() for moment in MOMENTS
            }
