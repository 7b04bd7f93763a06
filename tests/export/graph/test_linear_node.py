"""A linear layer as one node computes what its parts say, in every precision."""

from dataclasses import replace

import numpy as np
import pytest
from export.kernels.linear_layers import Layer, expected, normalized, random_rows
from export.operators import Operators
from hypothesis import given
from hypothesis import strategies as st
from triton_rag_export.graph.linear import LinearWeights, quantize_weight
from triton_rag_export.graph.linear_node import Activation, Norm, linear_node
from triton_rag_export.graph.onnx_builder import GraphBuilder

PRECISIONS = ["fp32", "fp16", "int8", "int4"]
WIDTHS = [1, 3, 63, 64, 65, 130]
ROWS = [0, 1, 2, 5, 6, 7, 13, 100]

layers = st.builds(
    Layer,
    inputs=st.sampled_from(WIDTHS),
    outputs=st.sampled_from(WIDTHS),
    norm=st.sampled_from(["none", "rms", "layer", "factors"]),
    activation=st.sampled_from(Activation),
    is_gated=st.booleans(),
    has_bias=st.booleans(),
    has_residual=st.booleans(),
    has_zero_points=st.booleans(),
    seed=st.integers(0, 1000),
    precision=st.sampled_from(PRECISIONS),
)


def check(layer: Layer, count: int, operators: Operators) -> None:
    rows = random_rows(count, layer.inputs, layer.seed)
    (found,) = layer.session(operators).run(None, layer.feeds(rows))
    wanted = expected(layer, rows)
    assert found.shape == (count, layer.outputs)
    assert (np.abs(found - wanted.values) <= wanted.allowed).all()


@pytest.mark.parametrize("activation", Activation)
@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_layer_with_everything_gives_what_numpy_gives(
    precision: str, activation: Activation, each_rank: Operators
) -> None:
    for norm, is_gated in (("rms", True), ("layer", False)):
        check(Layer(precision, 130, 65, norm, activation, is_gated, True, True), 13, each_rank)


def test_any_layer_gives_what_numpy_gives(operators: Operators) -> None:
    @given(layers, st.sampled_from(ROWS))
    def any_layer(layer: Layer, count: int) -> None:
        check(layer, count, operators)

    any_layer()


@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_norm_behind_a_layer_normalizes_what_the_layer_gives(precision: str, each_rank: Operators) -> None:
    for norm, outputs in (("layer", 65), ("rms", 65), ("layer", 1), ("layer", 1000)):
        plain = Layer(precision, 130, outputs, has_bias=True, has_residual=True)
        layer = replace(plain, result_norm=norm)
        for count in (1, 13, 100):
            rows = random_rows(count, 130, seed=count)
            (sums,) = plain.session(each_rank).run(None, plain.feeds(rows))
            (found,) = layer.session(each_rank).run(None, layer.feeds(rows))
            assert layer.result_norm_weights is not None
            wanted, rounding = normalized(layer.result_norm_weights, sums.astype(np.float64))
            assert (np.abs(found - wanted) <= rounding).all()


def test_zero_points_of_rows_halve_the_error_of_one_sided_rows(operators: Operators) -> None:
    layer = Layer("int8", 1024, 65)
    rows = np.maximum(np.random.default_rng(0).normal(size=(50, 1024)), -0.17).astype(np.float32)
    exact = rows.astype(np.float64) @ layer.weights.weight
    errors = []
    for each in (layer, replace(layer, has_zero_points=True)):
        weight, scale = quantize_weight(layer.weights.weight)
        (found,) = each.session(operators).run(None, each.feeds(rows))
        errors.append(np.abs(found - rows.astype(np.float64) @ (weight.astype(np.float64) * scale)).mean())
    assert errors[1] < 0.6 * errors[0]
    assert errors[0] < 0.02 * np.abs(exact).mean()


@pytest.mark.parametrize("has_zero_points", [False, True])
def test_a_row_of_zeros_gives_the_bias(has_zero_points: bool, operators: Operators) -> None:
    for precision in PRECISIONS:
        layer = Layer(precision, has_bias=True, has_zero_points=has_zero_points)
        (found,) = layer.session(operators).run(None, {"rows": np.zeros((3, 130), np.float32)})
        np.testing.assert_array_equal(found, np.tile(layer.weights.bias, (3, 1)))


def test_four_bits_of_weights_without_a_grid_are_refused() -> None:
    graph = GraphBuilder("linear")
    layer = LinearWeights(np.ones((4, 4), np.float32))
    with pytest.raises(ValueError, match="quantize the model first"):
        linear_node(graph, graph.input("rows", np.float32, ["rows", 4]), layer, precision="int4")


def test_a_node_carries_its_label_and_the_name_of_its_result() -> None:
    graph = GraphBuilder("linear")
    rows = graph.input("rows", np.float32, ["rows", 4])
    layer, norm = LinearWeights(np.ones((4, 4), np.float32)), Norm(np.ones(4, np.float32), 1e-5)
    with graph.scope("block"):
        made = linear_node(graph, rows, layer, precision="fp32", norm=norm, label="down")
        assert made == "block/down"
        assert linear_node(graph, rows, layer, precision="fp32", output="logits") == "logits"
