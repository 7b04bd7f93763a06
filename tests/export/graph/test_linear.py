"""Weights in bytes, and factors that move unevenness from activations into weights."""

import numpy as np
import pytest
import torch
from triton_rag_export.compress.quantization.fake_quantization import scale_of
from triton_rag_export.graph.linear import LinearWeights, quantize_weight, smoothing_factors

INPUTS, OUTPUTS = 37, 19


@pytest.fixture(scope="module")
def layer() -> LinearWeights:
    generator = np.random.default_rng(0)
    weight = generator.normal(size=(INPUTS, OUTPUTS)).astype(np.float32)
    return LinearWeights(weight, generator.normal(size=OUTPUTS).astype(np.float32))


def test_a_weight_is_off_by_half_a_step_at_most(layer: LinearWeights) -> None:
    weight = layer.weight.copy()
    weight[:, 3] = 0
    quantized, scale = quantize_weight(weight)
    assert np.abs(quantized).max() == 127
    assert (np.abs(quantized * scale - weight) <= scale / 2 * (1 + 1e-5)).all()


@pytest.mark.parametrize("tiny", [1e-45, -1e-44, 1e-40])
def test_numbers_next_to_zero_become_bytes_without_a_division_by_zero(tiny: float) -> None:
    weight = np.array([[tiny, 1.0], [0.0, -2.0]], dtype=np.float32)
    quantized, scale = quantize_weight(weight)
    assert (scale > 0).all()
    np.testing.assert_allclose(quantized * scale, weight, atol=1 / 127)
    np.testing.assert_array_equal(scale_of(torch.from_numpy(weight.T))[:, 0].numpy(), scale)


def test_smoothing_changes_no_product(layer: LinearWeights) -> None:
    rows = np.random.default_rng(4).normal(size=(20, INPUTS)).astype(np.float32)
    rows[:, 5] *= 100
    rows[:, 6] = 0
    factors = smoothing_factors(np.abs(rows).max(axis=0), layer.weight, 0.5)
    smooth = rows / factors
    assert np.abs(smooth).max() < np.abs(rows).max() / 3
    np.testing.assert_allclose(
        smooth @ layer.smoothed(factors).weight, rows @ layer.weight, rtol=1e-3, atol=1e-3
    )
