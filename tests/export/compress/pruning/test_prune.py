"""Pruning by settings: one-shot or in stages, with weights that stay zero while the rest recovers."""

import copy
from typing import Any

import pytest
import torch
from export.compress.families import FAMILIES, losses_of, outputs_of, parameters_of
from transformers import PreTrainedModel
from triton_rag_export.compress.model_parts import (
    head_units,
    layer_linears,
    layer_names,
    neuron_units,
    stacks_of,
)
from triton_rag_export.compress.pruning import PruneSettings, cubic_sparsity, prune_model

EACH = pytest.mark.parametrize("name", FAMILIES)
HALF = {"heads": 0.5, "neurons": 0.5, "neuron_multiple": 1}


class Trainer:
    """A few steps of AdamW in each stage, which would move every weight."""

    def __init__(self, model: PreTrainedModel) -> None:
        self.losses = losses_of(model)
        self.stages: list[int] = []
        self.sparsities: list[float] = []

    def __call__(self, model: Any, stage: int) -> None:
        self.stages.append(stage)
        optimizer = torch.optim.AdamW(model.parameters(), lr=0.003)
        for loss in self.losses:
            optimizer.zero_grad()
            loss(model).backward()
            self.sparsities.append(sparsity(model))  # as it was in the forward pass
            optimizer.step()


def sparsity(model: PreTrainedModel) -> float:
    weights = [model.get_submodule(name).weight for name in layer_linears(model)]
    return sum(int((weight == 0).sum()) for weight in weights) / sum(weight.numel() for weight in weights)


@EACH
@pytest.mark.parametrize("scope", ["layer", "model"])
def test_half_of_heads_and_neurons_go(name: str, scope) -> None:
    model = FAMILIES[name]()
    before = {find: sum(units.count for units in find(model)) for find in (head_units, neuron_units)}
    size = parameters_of(model)

    pruned = prune_model(model, PruneSettings(scope=scope, **HALF), losses_of(model))

    for find, count in before.items():
        left, places = sum(units.count for units in find(model)), len(find(model))
        assert abs(left - count / 2) <= places / 2
    assert parameters_of(model) < size
    assert [part.split()[3:] for part in pruned.parts] == [["heads", "gone"], ["neurons", "gone"]]
    assert torch.isfinite(outputs_of(model)).all()


@pytest.mark.parametrize("name", ["bert", "t5"])
def test_stages_follow_the_cubic_schedule_and_end_where_one_shot_does(name: str) -> None:
    model = FAMILIES[name]()
    before = sum(units.count for units in neuron_units(model))
    trainer, left = Trainer(model), []

    def recover(model: Any, stage: int) -> None:
        trainer(model, stage)
        left.append(sum(units.count for units in neuron_units(model)))

    prune_model(model, PruneSettings(scope="model", stages=3, **HALF), losses_of(model), recover)

    assert trainer.stages == [0, 1, 2]
    assert left == [before - round(before * cubic_sparsity(stage, 3, 0.5)) for stage in (1, 2, 3)]


@EACH
def test_layers_go_stage_by_stage(name: str) -> None:
    model = FAMILIES[name]()
    before = {stack: len(layer_names(model, stack)) for stack in stacks_of(model)}

    prune_model(model, PruneSettings(layers=0.5, stages=3), losses_of(model), Trainer(model))

    left = {stack: len(layer_names(model, stack)) for stack in stacks_of(model)}
    assert left == {stack: count - round(count / 2) for stack, count in before.items()}


@EACH
@pytest.mark.parametrize("importance", ["magnitude", "taylor"])
def test_single_weights_stay_zero_through_all_stages(name: str, importance) -> None:
    model = FAMILIES[name]()
    settings = PruneSettings(
        importance=importance, weights="unstructured", sparsity=0.6, scope="model", stages=3
    )
    trainer = Trainer(model)

    pruned = prune_model(model, settings, losses_of(model), trainer)

    steps = len(trainer.losses)
    shares = [cubic_sparsity(stage, 3, 0.6) for stage in (1, 2, 3) for _ in range(steps)]
    assert trainer.sparsities == pytest.approx(shares, abs=1e-3)
    assert sparsity(model) == pytest.approx(0.6, abs=1e-3)
    assert pruned.parts == (f"60.0% of the weights of {len(layer_linears(model))} matrices zero",)


def test_two_of_four_of_what_structured_pruning_left() -> None:
    model = FAMILIES["llama"]()
    settings = PruneSettings(weights="2:4", heads=0.5, neurons=0.5, neuron_multiple=4, stages=2)

    prune_model(model, settings, losses_of(model), Trainer(model))

    for name in layer_linears(model):
        fours = model.get_submodule(name).weight.reshape(-1, 4)
        assert ((fours != 0).sum(1) <= 2).all()


@EACH
def test_taylor_loses_less_than_the_opposite_choice(name: str) -> None:
    """What matters least by Taylor matters less, measured, than what matters most by it."""
    model = FAMILIES[name]()
    expected, opposite = outputs_of(model), copy.deepcopy(model)
    settings = PruneSettings(weights="unstructured", sparsity=0.3, scope="model")

    prune_model(model, settings, losses_of(model, batches=4))
    reversed_losses = losses_of(opposite, batches=4)
    _prune_most_important(opposite, reversed_losses)

    assert (outputs_of(model) - expected).norm() < 0.5 * (outputs_of(opposite) - expected).norm()


def _prune_most_important(model: PreTrainedModel, losses) -> None:
    from triton_rag_export.compress.pruning import measure_importance, unstructured_masks

    importance = measure_importance(model, "taylor", losses, weights=True)
    scores = {name: -importance.of_weights(name) for name in layer_linears(model)}
    unstructured_masks(scores, 0.3, "model").apply(model)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, 'weights is "none"; allowed without heads, neurons and layers: another one'),
        ({"heads": 1.0}, r"heads is 1\.0; allowed: 0 to below 1"),
        ({"neurons": -0.5}, r"neurons is -0\.5; allowed: 0 to below 1"),
        ({"layers": 2}, "layers is 2; allowed: 0 to below 1"),
        ({"weights": "unstructured"}, 'sparsity is 0.0; allowed with weights "unstructured": above 0'),
        ({"weights": "2:4", "sparsity": 0.5}, 'sparsity is 0.5; allowed with weights "2:4": 0'),
        ({"weights": "4:8"}, "weights is '4:8'; allowed: none, unstructured, 2:4"),
        ({"heads": 0.5, "importance": "luck"}, "importance is 'luck'; allowed: magnitude, taylor"),
        ({"heads": 0.5, "scope": "head"}, "scope is 'head'; allowed: layer, model"),
        ({"heads": 0.5, "stages": 0}, "stages is 0; allowed: 1 to 1000"),
        ({"neurons": 0.5, "neuron_multiple": 0}, "neuron_multiple is 0; allowed: 1 to 1024"),
    ],
)
def test_settings_that_cannot_be_are_named(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        PruneSettings(**settings)
