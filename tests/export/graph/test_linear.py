"""Linear layers: close to floats, and in INT8 each row independent of the others."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime
import pytest
from hypothesis import given
from hypothesis import strategies as st
from triton_rag_export.graph.linear import (
    LinearWeights,
    float_linear,
    quantize_one_sided_rows,
    quantize_rows,
    quantize_weight,
    quantized_linear,
    row_zero_points,
    smoothing_factors,
    static_linear,
)
from triton_rag_export.graph.onnx_builder import GraphBuilder

Floats = npt.NDArray[np.float32]
Build = Callable[[GraphBuilder, str, LinearWeights], str]

INPUTS, OUTPUTS = 37, 19


def rows_linear(builder: GraphBuilder, rows: str, layer: LinearWeights) -> str:
    return quantized_linear(builder, quantize_rows(builder, rows, row_zero_points(builder, rows)), layer)


def one_sided_linear(builder: GraphBuilder, rows: str, layer: LinearWeights) -> str:
    zero_points = row_zero_points(builder, rows, 24)
    quantized = quantize_one_sided_rows(builder, rows, zero_points, lowest=-0.1701, zero_point=24)
    return quantized_linear(builder, quantized, layer)


def fixed_linear(builder: GraphBuilder, rows: str, layer: LinearWeights) -> str:
    return static_linear(builder, rows, layer, activation_scale=4 / 127)


def half_linear(builder: GraphBuilder, rows: str, layer: LinearWeights) -> str:
    return float_linear(builder, rows, layer, precision="fp16")


def session_of(build: Build, layer: LinearWeights, folder: Path) -> onnxruntime.InferenceSession:
    builder = GraphBuilder("linear")
    rows = builder.input("rows", np.float32, ["rows", INPUTS])
    builder.output(build(builder, rows, layer), np.float32, ["rows", OUTPUTS])
    builder.save(folder / f"{build.__name__}.onnx")
    path = str(folder / f"{build.__name__}.onnx")
    return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])


def activations(count: int, seed: int) -> Floats:
    """As GELU gives them: some large, most small, none below -0.17; with differing row ranges."""
    generator = np.random.default_rng(seed)
    values = generator.normal(size=(count, INPUTS)) * generator.uniform(0.1, 1, size=(count, 1))
    return np.maximum(values, -0.17).astype(np.float32)


@pytest.fixture(scope="module")
def layer() -> LinearWeights:
    generator = np.random.default_rng(0)
    weight = generator.normal(size=(INPUTS, OUTPUTS)).astype(np.float32)
    return LinearWeights(weight, generator.normal(size=OUTPUTS).astype(np.float32))


@pytest.mark.parametrize(
    ("build", "least_cosine"),
    [
        (float_linear, 1 - 1e-12),
        (half_linear, 1 - 1e-6),
        (rows_linear, 0.9995),
        (one_sided_linear, 0.9995),
        (fixed_linear, 0.998),
    ],
)
def test_a_layer_is_close_to_floats(
    build: Build, least_cosine: float, layer: LinearWeights, tmp_path: Path
) -> None:
    rows = activations(50, seed=1)
    expected = (rows @ layer.weight).astype(np.float64)
    found = session_of(build, layer, tmp_path).run(None, {"rows": rows})[0] - layer.bias
    cosines = (found * expected).sum(1) / np.linalg.norm(found, axis=1) / np.linalg.norm(expected, axis=1)
    assert cosines.mean() > least_cosine


@pytest.mark.parametrize("build", [rows_linear, one_sided_linear, fixed_linear])
def test_a_row_does_not_depend_on_its_neighbours(
    build: Build, layer: LinearWeights, tmp_path_factory: pytest.TempPathFactory
) -> None:
    session = session_of(build, layer, tmp_path_factory.mktemp("linear"))

    @given(st.integers(1, 40), st.floats(0.001, 1e6), st.integers(0, 1000))
    def check(neighbours: int, size: float, seed: int) -> None:
        rows = activations(1 + neighbours, seed)
        rows[1:] = np.maximum(rows[1:] * np.float32(size), -0.17)
        alone = session.run(None, {"rows": rows[:1]})[0]
        np.testing.assert_array_equal(session.run(None, {"rows": rows})[0][:1], alone)

    check()


@pytest.mark.parametrize("build", [rows_linear, one_sided_linear, fixed_linear])
def test_a_row_of_zeros_gives_the_bias(build: Build, layer: LinearWeights, tmp_path: Path) -> None:
    rows = activations(3, seed=2)
    rows[1] = 0
    found = session_of(build, layer, tmp_path).run(None, {"rows": rows})[0]
    np.testing.assert_allclose(found[1], layer.bias, atol=1e-6)
    assert np.isfinite(found).all()


def test_layers_that_read_the_same_rows_share_their_bytes(layer: LinearWeights, tmp_path: Path) -> None:
    def two_layers(builder: GraphBuilder, rows: str, layer: LinearWeights) -> str:
        shared = quantize_rows(builder, rows, row_zero_points(builder, rows))
        first = quantized_linear(builder, shared, layer)
        return builder.apply("Sub", quantized_linear(builder, shared, layer), first)

    found = session_of(two_layers, layer, tmp_path).run(None, {"rows": activations(4, seed=3)})[0]
    np.testing.assert_array_equal(found, np.zeros((4, OUTPUTS), dtype=np.float32))


def test_a_weight_is_off_by_half_a_step_at_most(layer: LinearWeights) -> None:
    weight = layer.weight.copy()
    weight[:, 3] = 0
    quantized, scale = quantize_weight(weight)
    assert np.abs(quantized).max() == 127
    assert (np.abs(quantized * scale - weight) <= scale / 2 * (1 + 1e-5)).all()


def test_smoothing_changes_no_product(layer: LinearWeights) -> None:
    rows = activations(20, seed=4)
    rows[:, 5] *= 100
    rows[:, 6] = 0
    factors = smoothing_factors(np.abs(rows).max(axis=0), layer.weight, 0.5)
    smooth = rows / factors
    assert np.abs(smooth).max() < np.abs(rows).max() / 3
    np.testing.assert_allclose(
        smooth @ layer.smoothed(factors).weight, rows @ layer.weight, rtol=1e-3, atol=1e-3
    )
