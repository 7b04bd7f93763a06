"""GPTQ: closer than plain rounding where inputs go together, and never farther."""

import numpy as np
import numpy.typing as npt
from hypothesis import given, settings
from hypothesis import strategies as st
from triton_rag_export.graph.block_grid import BlockLinear, rounded
from triton_rag_export.graph.gptq import gptq, output_errors
from triton_rag_export.graph.linear import LinearWeights

Doubles = npt.NDArray[np.float64]
GRID = {"bits": 4, "block_size": 32}


def layer_of(inputs: int, seed: int) -> LinearWeights:
    return LinearWeights(np.random.default_rng(seed).normal(size=(inputs, 24)).astype(np.float32))


def correlated_rows(count: int, inputs: int, seed: int) -> Doubles:
    """Rows in which a few directions explain most, as in trained models, and channels differ in size."""
    generator = np.random.default_rng(seed)
    directions = generator.normal(size=(max(1, inputs // 4), inputs))
    rows = generator.normal(size=(count, len(directions))) @ directions
    return (rows + 0.3 * generator.normal(size=rows.shape)) * generator.uniform(0.1, 3, size=inputs)


def test_correlated_inputs_make_up_for_each_other() -> None:
    layer, rows = layer_of(160, seed=1), correlated_rows(1000, 160, seed=2)
    hessian = rows.T @ rows

    found = output_errors(layer, gptq(layer, hessian, **GRID), hessian).sum()
    plain = output_errors(layer, rounded(layer, **GRID), hessian).sum()

    assert found < plain / 3


def test_what_holds_in_calibration_holds_on_other_rows() -> None:
    layer = layer_of(160, seed=1)
    rows = correlated_rows(2000, 160, seed=2)
    calibration, held_out = rows[:1000], rows[1000:]

    quantized = gptq(layer, calibration.T @ calibration, **GRID)

    def error(weight: npt.NDArray[np.float32]) -> float:
        return float(np.square(held_out @ (weight - layer.weight)).sum())

    assert error(quantized.weight) < error(rounded(layer, **GRID).weight) / 2


@given(st.integers(1, 150), st.integers(1, 80), st.integers(0, 1000))
@settings(max_examples=40, deadline=None)
def test_no_output_is_farther_off_than_by_rounding(inputs: int, rows: int, seed: int) -> None:
    layer = layer_of(inputs, seed)
    calibration = correlated_rows(rows, inputs, seed)
    hessian = calibration.T @ calibration

    found = output_errors(layer, gptq(layer, hessian, **GRID), hessian)

    assert (found <= output_errors(layer, rounded(layer, **GRID), hessian)).all()


def test_an_input_that_was_always_zero_is_rounded_plainly() -> None:
    layer, rows = layer_of(70, seed=3), correlated_rows(200, 70, seed=4)
    rows[:, [0, 33, 69]] = 0

    quantized = gptq(layer, rows.T @ rows, **GRID)

    np.testing.assert_array_equal(quantized.weight[[0, 33, 69]], rounded(layer, **GRID).weight[[0, 33, 69]])


def test_without_any_activation_everything_is_rounded_plainly() -> None:
    layer = layer_of(70, seed=3)

    quantized = gptq(layer, np.zeros((70, 70)), **GRID)

    np.testing.assert_array_equal(quantized.codes, rounded(layer, **GRID).codes)


def test_a_column_of_zeros_stays_zero_and_disturbs_no_other() -> None:
    layer, rows = layer_of(70, seed=3), correlated_rows(200, 70, seed=4)
    hessian = rows.T @ rows
    before = gptq(layer, hessian, **GRID).weight
    layer.weight[:, 5] = 0

    quantized = gptq(layer, hessian, **GRID).weight

    assert not quantized[:, 5].any()
    np.testing.assert_array_equal(np.delete(quantized, 5, axis=1), np.delete(before, 5, axis=1))


def test_a_weight_that_is_on_the_grid_is_kept() -> None:
    layer, rows = layer_of(70, seed=3), correlated_rows(200, 70, seed=4)
    plain = rounded(layer, **GRID)
    starts = np.arange(0, 70, GRID["block_size"])
    plain.codes[starts], plain.codes[starts + 1] = 0, 15  # each block reaches from end to end of its grid
    on_grid = LinearWeights(BlockLinear.of(plain.codes, plain.grid, None).weight)

    quantized = gptq(on_grid, rows.T @ rows, **GRID)

    np.testing.assert_allclose(quantized.weight, on_grid.weight, atol=1e-5)


def test_a_bias_is_kept() -> None:
    layer = LinearWeights(layer_of(40, seed=3).weight, np.arange(24, dtype=np.float32))

    np.testing.assert_array_equal(gptq(layer, np.eye(40), **GRID).bias, layer.bias)
