"""The schedule, and an optimizer's state as tensors."""

import pytest
import torch
from export.compress.training.tiny_task import tiny_module
from torch import nn
from triton_rag_export.compress.training import TrainingSettings
from triton_rag_export.compress.training.optimizer import (
    learning_rate,
    load_state_tensors,
    new_optimizer,
    state_tensors,
)


def rates(**changes: object) -> list[float]:
    settings = TrainingSettings(steps=10, learning_rate=1.0, warmup=0.2, **changes)  # type: ignore[arg-type]
    return [learning_rate(step, settings) for step in range(10)]


def test_the_rate_rises_and_falls() -> None:
    assert rates(schedule="linear") == pytest.approx(
        [0.5, 1, 1, 7 / 8, 6 / 8, 5 / 8, 4 / 8, 3 / 8, 2 / 8, 1 / 8]
    )
    assert rates(schedule="constant") == [0.5] + [1.0] * 9
    cosine = rates(schedule="cosine")
    assert cosine[:3] == [0.5, 1.0, 1.0]
    assert cosine[6] == pytest.approx(0.5)
    assert cosine[2:] == sorted(cosine[2:], reverse=True)


def test_vectors_do_not_decay() -> None:
    module = tiny_module()
    optimizer = new_optimizer(module, TrainingSettings(weight_decay=0.3))

    decay = {id(p): group["weight_decay"] for group in optimizer.param_groups for p in group["params"]}

    assert {name: decay[id(p)] for name, p in module.named_parameters()} == {
        "0.weight": 0.3, "0.bias": 0.0, "1.weight": 0.0, "1.bias": 0.0, "4.weight": 0.3, "4.bias": 0.0,
    }  # fmt: skip


def test_state_goes_by_name() -> None:
    module, rows = tiny_module(dropout=0.0), torch.randn(4, 6, generator=torch.Generator().manual_seed(0))
    settings = TrainingSettings()

    def update(module: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        optimizer.zero_grad()
        module(rows).square().sum().backward()
        optimizer.step()

    optimizer = new_optimizer(module, settings)
    update(module, optimizer)
    again = tiny_module(dropout=0.0)
    again.load_state_dict(module.state_dict())
    other = new_optimizer(again, settings)
    load_state_tensors(again, other, state_tensors(module, optimizer))
    for one, its_optimizer in ((module, optimizer), (again, other)):
        update(one, its_optimizer)

    assert all(
        torch.equal(one, two) for one, two in zip(module.parameters(), again.parameters(), strict=True)
    )


def test_a_module_that_cannot_learn_is_refused() -> None:
    with pytest.raises(ValueError, match="requires a gradient; allowed: at least one"):
        new_optimizer(tiny_module().requires_grad_(False), TrainingSettings())
