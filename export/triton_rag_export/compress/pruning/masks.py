"""Which single weights become zero, and how they stay zero while the rest is trained.

Unstructured sparsity makes a matrix no smaller and no faster by itself; two of four along the inputs (Mishra
et al., 2021, https://arxiv.org/abs/2104.08378) is what sparse tensor cores of GPUs read at twice the speed.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import torch

Scope = Literal["layer", "model"]

Scores = Mapping[str, torch.Tensor]
"""How important each weight of a linear layer is, (outputs, inputs), by the layer's name."""


@dataclass(frozen=True, slots=True, eq=False)
class WeightMasks:
    """Which weights stay: a boolean (outputs, inputs) for each linear layer, by its name."""

    kept: Mapping[str, torch.Tensor]

    @property
    def sparsity(self) -> float:
        """The share of weights that are gone, 0 to 1."""
        total = sum(mask.numel() for mask in self.kept.values())
        return 1 - sum(int(mask.sum()) for mask in self.kept.values()) / total

    def apply(self, model: Any) -> None:
        """Set the weights that are gone to zero."""
        with torch.no_grad():
            for name, mask in self.kept.items():
                weight = model.get_submodule(name).weight
                weight.mul_(mask.to(weight.device))

    @contextmanager
    def held(self, model: Any) -> Iterator[None]:
        """Keep the weights that are gone at zero while something trains the model.

        Momentum moves them in each step; before each forward pass they are set back, so that nothing is ever
        computed with it. No optimizer has to know, and every process of a distributed training does the same.
        """
        hook = model.register_forward_pre_hook(lambda *_: self.apply(model))
        try:
            yield
        finally:
            hook.remove()
            self.apply(model)


def unstructured_masks(scores: Scores, sparsity: float, scope: Scope) -> WeightMasks:
    """Drop the weights of the smallest scores, exactly as many as the sparsity says.

    Args:
        scores: of each weight.
        sparsity: the share of weights to drop, 0 to below 1.
        scope: "layer": of each layer the same share; "model": the smallest of all layers together.

    Raises:
        ValueError: another sparsity.
    """
    check_fraction("sparsity", sparsity)
    if scope == "layer":
        return WeightMasks({name: _without_smallest(score, sparsity) for name, score in scores.items()})
    kept = _without_smallest(torch.cat([score.flatten() for score in scores.values()]), sparsity)
    parts = torch.split(kept, [score.numel() for score in scores.values()])
    return WeightMasks(
        {name: part.reshape(score.shape) for (name, score), part in zip(scores.items(), parts, strict=True)}
    )


def two_of_four_masks(scores: Scores) -> WeightMasks:
    """Keep the two most important of each four weights along the inputs.

    Raises:
        ValueError: a layer whose inputs are no multiple of four; names it.
    """
    return WeightMasks({name: _two_of_four(name, score) for name, score in scores.items()})


def check_fraction(name: str, value: float) -> None:
    """Refuse what is no share that can be taken away.

    Raises:
        ValueError: names the setting, its value and what is allowed.
    """
    if not 0 <= value < 1:
        raise ValueError(f"{name} is {value}; allowed: 0 to below 1")


def _without_smallest(scores: torch.Tensor, sparsity: float) -> torch.Tensor:
    kept = torch.ones(scores.numel(), dtype=torch.bool, device=scores.device)
    dropped = round(sparsity * scores.numel())
    kept[scores.flatten().topk(dropped, largest=False).indices] = False
    return kept.reshape(scores.shape)


def _two_of_four(name: str, scores: torch.Tensor) -> torch.Tensor:
    outputs, inputs = scores.shape
    if inputs % 4:
        raise ValueError(f"{name} has {inputs} inputs; allowed with 2:4 sparsity: a multiple of 4")
    fours = scores.reshape(outputs, inputs // 4, 4)
    kept = torch.zeros_like(fours, dtype=torch.bool)
    kept.scatter_(2, fours.topk(2, dim=2).indices, True)
    return kept.reshape(outputs, inputs)
