"""Importance is what the loss changes by, to the first order, when a part becomes zero."""

import pytest
import torch
from export.compress.families import ENCODERS, FAMILIES, batch_of, losses_of, vectors_of
from torch import nn
from triton_rag_export.compress.model_parts import (
    head_units,
    layer_linears,
    layer_names,
    neuron_units,
    plain_linears,
    stacks_of,
)
from triton_rag_export.compress.pruning import (
    embedding_loss,
    language_model_loss,
    measure_importance,
    own_tables,
)

EACH = pytest.mark.parametrize("name", FAMILIES)


@EACH
@pytest.mark.parametrize("find", [head_units, neuron_units])
def test_taylor_of_a_unit_is_the_gradient_of_a_gate_on_it(name: str, find) -> None:
    """The definition of Michel et al., computed as they did: with gates."""
    model = FAMILIES[name]()
    own_tables(model)
    importance = measure_importance(model, "taylor", losses_of(model))

    for units in find(model)[::3]:
        expected = torch.zeros(units.count)
        for loss in losses_of(model):
            gate = torch.ones(units.count, requires_grad=True)
            channels = gate.repeat_interleave(units.reader_channels)
            hook = model.get_submodule(units.reader).register_forward_pre_hook(
                lambda _, inputs, channels=channels: (inputs[0] * channels,)
            )
            (gradient,) = torch.autograd.grad(loss(model), gate)
            hook.remove()
            expected += gradient.abs() / 2
        torch.testing.assert_close(importance.of_units(units), expected, rtol=1e-3, atol=1e-6)


@EACH
def test_taylor_of_a_weight_is_what_the_loss_changes_by_without_it(name: str) -> None:
    model = FAMILIES[name]()
    importance = measure_importance(model, "taylor", losses_of(model), weights=True)

    for linear in plain_linears(model)[::4]:
        weight = model.get_submodule(linear).weight
        expected = torch.zeros_like(weight)
        for loss in losses_of(model):
            (gradient,) = torch.autograd.grad(loss(model), weight)
            expected += (weight.detach() * gradient).abs() / 2
        torch.testing.assert_close(importance.of_weights(linear), expected)


@EACH
def test_taylor_tells_silent_parts(name: str) -> None:
    model = FAMILIES[name]()
    own_tables(model)
    heads, neurons = head_units(model)[1], neuron_units(model)[1]
    with torch.no_grad():
        for units in (heads, neurons):
            model.get_submodule(units.reader).weight[:, : units.reader_channels] = 0

    importance = measure_importance(model, "taylor", losses_of(model))

    for units in (heads, neurons):
        scores = importance.of_units(units)
        assert scores[0] == 0
        assert (scores[1:] > 0).any()


@EACH
def test_taylor_of_a_layer_is_the_gradient_of_a_gate_on_what_it_adds(name: str) -> None:
    model = FAMILIES[name]()
    own_tables(model)
    importance = measure_importance(model, "taylor", losses_of(model))
    places = [*head_units(model), *neuron_units(model)]

    for stack in stacks_of(model):
        layer = layer_names(model, stack)[1]
        expected = 0.0
        for loss in losses_of(model):
            gate = torch.ones((), requires_grad=True)
            hooks = [
                model.get_submodule(units.reader).register_forward_hook(
                    lambda *call, gate=gate: call[2] * gate
                )
                for units in places
                if units.layer == layer
            ]
            (gradient,) = torch.autograd.grad(loss(model), gate)
            for hook in hooks:
                hook.remove()
            expected += abs(float(gradient)) / 2
        assert importance.of_layer(layer) == pytest.approx(expected, rel=1e-3, abs=1e-5)


@EACH
def test_magnitude_counts_every_weight_of_a_unit(name: str) -> None:
    model = FAMILIES[name]()
    own_tables(model)
    importance = measure_importance(model, "magnitude")

    for units in (*head_units(model), *neuron_units(model)):
        writers = [model.get_submodule(name).weight.detach() for name, _ in units.writers]
        reader = model.get_submodule(units.reader).weight.detach()
        total = sum(float(weight.abs().sum()) for weight in (*writers, reader))
        assert importance.of_units(units).shape == (units.count,)
        assert float(importance.of_units(units).sum()) == pytest.approx(total, rel=1e-5)
    linear = plain_linears(model)[0]
    assert (importance.of_weights(linear) == model.get_submodule(linear).weight.abs()).all()


@EACH
def test_layers_are_all_linear_layers_but_head_and_embeddings(name: str) -> None:
    model = FAMILIES[name]()
    head, inside = model.get_output_embeddings(), set(layer_linears(model))

    outside = [
        name for name, module in model.named_modules() if isinstance(module, nn.Linear) and name not in inside
    ]

    assert all(model.get_submodule(name) is head or name == "pooler.dense" for name in outside)


def test_measuring_leaves_no_trace_in_the_model() -> None:
    model = ENCODERS["bert"]().train()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}

    measure_importance(model, "taylor", losses_of(model), weights=True)

    assert model.training
    assert all(parameter.grad is None for parameter in model.parameters())
    assert all((tensor == before[name]).all() for name, tensor in model.state_dict().items())


def test_an_encoder_needs_no_labels_and_a_seed_repeats_itself() -> None:
    model = ENCODERS["bert"]()
    first, second, other = (
        embedding_loss(vectors_of(batch_of(model)), seed)(model).item() for seed in (1, 1, 2)
    )

    assert first == second != other


def test_calibration_that_cannot_be_used_is_named() -> None:
    model = FAMILIES["llama"]()
    with pytest.raises(ValueError, match="without calibration batches; allowed: at least one"):
        measure_importance(model, "taylor")

    good = losses_of(model, batches=1)
    model_of_nan = language_model_loss(batch_of(model))
    with pytest.raises(ValueError, match="the loss of calibration batch 1 is nan; allowed: finite"):
        measure_importance(model, "taylor", [*good, lambda model: model_of_nan(model) * float("nan")])
