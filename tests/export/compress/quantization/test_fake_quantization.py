"""Fake quantization is the formula Q(x) = round(x / S), and has the gradient of the identity."""

import numpy as np
import pytest
import torch
from export.compress.families import ALL, losses_of, outputs_of
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hypothesis_numpy
from torch import nn
from triton_rag_export.compress.quantization import (
    FakeQuantizedLinear,
    fake_quantize,
    fake_quantized,
    quantize,
    quantized_linears,
    scale_of,
)
from triton_rag_export.graph.linear import quantize_weight

matrices = hypothesis_numpy.arrays(
    np.float32,
    hypothesis_numpy.array_shapes(min_dims=2, max_dims=2, max_side=12),
    elements=st.floats(-1000, 1000, width=32).map(lambda value: value if abs(value) > 1e-30 else 0.0),
)


@given(matrices)
def test_each_row_is_rounded_by_the_formula(values: np.ndarray) -> None:
    largest = np.abs(values).max(axis=1, keepdims=True)
    scale = np.where(largest > 0, largest / np.float32(127), np.float32(1))
    steps = np.rint(values / scale)  # half to even

    found = torch.from_numpy(values)
    np.testing.assert_array_equal(scale_of(found).numpy(), scale)
    np.testing.assert_array_equal(quantize(found, scale_of(found)).numpy(), steps)
    np.testing.assert_array_equal(fake_quantize(found).numpy(), steps * scale)
    assert np.abs(steps).max() <= 127
    assert (np.abs(steps * scale - values) <= scale * 0.5001).all()


def test_the_formula_by_hand() -> None:
    values = torch.tensor([[127.0, -126.5, 0.5, 1.5, -0.49, 0.0], [0.0] * 6])

    assert scale_of(values).tolist() == [[1.0], [1.0]]
    assert quantize(values, scale_of(values))[0].tolist() == [127, -126, 0, 2, 0, 0]
    assert fake_quantize(values)[1].tolist() == [0.0] * 6


@given(matrices)
def test_weights_become_the_very_bytes_of_the_export(weight: np.ndarray) -> None:
    exported, scale = quantize_weight(np.ascontiguousarray(weight.T))  # (inputs, outputs)
    found = torch.from_numpy(weight)

    np.testing.assert_array_equal(quantize(found, scale_of(found)).numpy(), exported.T)
    np.testing.assert_array_equal(scale_of(found).numpy()[:, 0], scale)


def test_the_gradient_goes_straight_through() -> None:
    values = torch.randn(3, 8, requires_grad=True)
    factors = torch.randn(3, 8)

    (fake_quantize(values) * factors).sum().backward()

    assert torch.equal(values.grad, factors)


@pytest.mark.parametrize("name", ALL)
def test_a_model_pretends_inside_alone_and_can_learn_there(name: str) -> None:
    model = ALL[name]()
    names, plain = list(model.state_dict()), outputs_of(model)
    layers = quantized_linears(model)
    before = [layer.weight.detach().clone() for layer in layers]

    with fake_quantized(model):
        assert all(isinstance(layer, FakeQuantizedLinear) for layer in layers)
        pretended = outputs_of(model)
        optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
        losses_of(model)[0](model).backward()
        assert all(layer.weight.grad is not None for layer in layers)
        optimizer.step()

    assert not any(isinstance(module, FakeQuantizedLinear) for module in model.modules())
    assert list(model.state_dict()) == names
    assert not torch.equal(pretended, plain)
    assert (pretended - plain).norm() < 0.5 * plain.norm()
    assert any(not torch.equal(layer.weight, old) for layer, old in zip(layers, before, strict=True))


def test_a_layer_computes_with_whole_numbers() -> None:
    torch.manual_seed(1)
    linear, rows = nn.Linear(16, 5), torch.randn(7, 16)
    expected = []
    for row in rows.detach().numpy():
        weight, weight_scale = quantize_weight(linear.weight.detach().numpy().T)
        scale = np.abs(row).max() / 127
        whole = np.rint(row / scale).astype(np.int32) @ weight.astype(np.int32)
        expected.append(whole * scale * weight_scale + linear.bias.detach().numpy())
    linear.__class__ = FakeQuantizedLinear

    np.testing.assert_allclose(linear(rows).detach().numpy(), np.stack(expected), atol=1e-5)
