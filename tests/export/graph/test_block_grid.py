"""Weights on a grid a block, stored as our operator reads them."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from generation.session import load_session
from triton_rag_export.graph.block_grid import BlockGrid, BlockLinear, beside, rounded
from triton_rag_export.graph.linear import LinearWeights
from triton_rag_export.graph.linear_node import linear_node
from triton_rag_export.graph.onnx_builder import GraphBuilder
from triton_rag_export.kernels import install_kernels

Floats = npt.NDArray[np.float32]

OUTPUTS = 19
# No multiple of a block, one block exactly, less than one, an odd and an even number of blocks.
INPUTS = [37, 32, 7, 64, 96, 200]


def layer_of(inputs: int, outputs: int = OUTPUTS, seed: int = 0) -> LinearWeights:
    generator = np.random.default_rng(seed)
    weight = generator.normal(size=(inputs, outputs)).astype(np.float32)
    weight[:, 1] = np.abs(weight[:, 1]) + 1  # far from zero on one side
    weight[:, 2] *= 1e-4
    return LinearWeights(weight, generator.normal(size=outputs).astype(np.float32))


def run(layer: BlockLinear, rows: Floats, folder: Path) -> Floats:
    builder = GraphBuilder("linear")
    name = builder.input("rows", np.float32, ["rows", rows.shape[1]])
    builder.output(
        linear_node(builder, name, layer, precision="int4"), np.float32, ["rows", layer.weight.shape[1]]
    )
    builder.save(folder / "linear.onnx")
    install_kernels(folder)
    session = load_session(folder / "linear.onnx", threads=2)
    return np.asarray(session.run(None, {"rows": rows})[0], dtype=np.float32)


@pytest.mark.parametrize("inputs", INPUTS)
def test_the_operator_multiplies_with_what_the_codes_stand_for(inputs: int, tmp_path: Path) -> None:
    layer = rounded(layer_of(inputs), bits=4, block_size=32)

    # One input at a time is 127 steps of its row's scale: no rounding of activations is left.
    found = run(layer, np.eye(inputs, dtype=np.float32), tmp_path)

    np.testing.assert_allclose(found - layer.bias, layer.weight, atol=2e-6)


@pytest.mark.parametrize(("bits", "block_size"), [(4, 32), (8, 64)])
def test_a_weight_is_off_by_half_a_step_at_most(bits: int, block_size: int) -> None:
    layer = layer_of(200)

    quantized = rounded(layer, bits=bits, block_size=block_size)

    steps = quantized.grid.scale[np.arange(200) // block_size]
    # The zero point is a whole number: where the range's end is cut by it, half a step more.
    assert (np.abs(quantized.weight - layer.weight) <= steps * (1 + 1e-5)).all()
    assert np.mean(np.abs(quantized.weight - layer.weight) / steps) < 0.3


def test_zeros_stay_zeros(tmp_path: Path) -> None:
    layer = layer_of(70)
    layer.weight[:, 3] = 0
    layer.weight[32:64, 4] = 0
    layer.weight[5] = 0

    quantized = rounded(layer, bits=4, block_size=32)

    assert not quantized.weight[layer.weight == 0].any()
    rows = np.random.default_rng(1).normal(size=(3, 70)).astype(np.float32)
    np.testing.assert_allclose(run(quantized, rows, tmp_path)[:, 3], layer.bias[3])


def test_layers_side_by_side_are_the_same_layers(tmp_path: Path) -> None:
    parts = [rounded(layer_of(37, outputs, seed=outputs), bits=4, block_size=32) for outputs in (5, 8, 3)]
    rows = np.random.default_rng(1).normal(size=(4, 37)).astype(np.float32)

    together = run(beside(parts, np.concatenate([part.bias for part in parts])), rows, tmp_path)

    apart = np.hstack([run(part, rows, tmp_path) for part in parts])
    np.testing.assert_allclose(together, apart, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("inputs", [37, 576])
def test_a_row_has_the_same_bits_in_any_company(inputs: int, tmp_path: Path) -> None:
    layer = rounded(layer_of(inputs), bits=4, block_size=32)
    rows = np.random.default_rng(1).normal(size=(70, inputs)).astype(np.float32)
    rows[1::2] *= 1e4
    together = run(layer, rows, tmp_path)

    for count in (1, 2, 3, 5, 8, 13, 33, 64, 69):
        np.testing.assert_array_equal(run(layer, rows[:count], tmp_path), together[:count])


def test_what_is_on_a_grid_cannot_be_smoothed() -> None:
    with pytest.raises(TypeError, match="smooth first"):
        rounded(layer_of(37), bits=4, block_size=32).smoothed(np.ones(37, np.float32))


def test_a_grid_reaches_from_the_smallest_to_the_largest_weight() -> None:
    weight = np.array([[-1.0], [14.0]], dtype=np.float32)

    grid = BlockGrid.spanning(weight, bits=4, block_size=32)

    assert grid.scale.tolist() == [[1.0]]
    assert grid.zero_point.tolist() == [[1]]
    assert grid.values(grid.nearest(weight, np.arange(2)), np.arange(2)).tolist() == [[-1.0], [14.0]]
