"""`Linear`: exact whole numbers, and each row by itself, whatever the processor, threads and company."""

import numpy as np
import numpy.typing as npt
import onnxruntime
import pytest
from export.kernels.linear_layers import Layer, expected, random_rows
from export.operators import Operators
from hypothesis import given
from hypothesis import strategies as st
from onnxruntime.capi.onnxruntime_pybind11_state import InvalidArgument
from triton_rag_export.graph.linear import Floats, quantize_weight
from triton_rag_export.graph.linear_node import Activation
from triton_rag_export.graph.onnx_builder import GraphBuilder
from triton_rag_export.graph.packed_weights import pack_bytes

PRECISIONS = ["fp32", "fp16", "int8", "int4"]
ROWS = 100


def whole(precision: str, activation: Activation = Activation.GELU_TANH) -> Layer:
    """A layer with everything, of awkward widths."""
    return Layer(precision, 130, 65, "rms", activation, True, True, True, "layer", has_zero_points=True)


def run(session: onnxruntime.InferenceSession, layer: Layer, rows: Floats) -> Floats:
    return np.asarray(session.run(None, layer.feeds(rows))[0], dtype=np.float32)


def product_of_bytes(layer: Layer, rows: Floats) -> Floats:
    """What INT8 is defined as, float by float: a scale a row, a scale a column, whole numbers between."""
    weight, weight_scale = quantize_weight(layer.weights.weight)
    largest = np.abs(rows).max(axis=1, keepdims=True)
    factor = np.divide(np.float32(127), largest, out=np.zeros_like(largest), where=largest > 0)
    steps = np.rint(rows * factor).astype(np.int32)
    products = (steps @ weight.astype(np.int32)).astype(np.float32)
    return products * weight_scale * (largest * np.float32(1 / 127))


@pytest.mark.parametrize("inputs", [1, 3, 63, 64, 65, 130])
def test_bytes_are_multiplied_exactly(inputs: int, each_rank: Operators) -> None:
    layer = Layer("int8", inputs)
    rows = random_rows(13, inputs, seed=1)
    np.testing.assert_array_equal(run(layer.session(each_rank), layer, rows), product_of_bytes(layer, rows))


@pytest.mark.parametrize("sign", [1, -1])
def test_the_largest_bytes_do_not_overflow(sign: int, each_rank: Operators) -> None:
    inputs = 4096
    graph = GraphBuilder("largest")
    weight = graph.constant(pack_bytes(np.full((inputs, 64), 127 * sign, np.int8)))
    scale = graph.constant(np.ones(64), np.float32)
    rows = graph.input("rows", np.float32, ["rows", inputs])
    widths = {"input_width": inputs, "output_width": 64, "weight_bits": 8}
    graph.output(
        graph.apply("Linear", rows, weight, scale, domain="triton_rag", **widths), np.float32, ["rows", 64]
    )
    session = each_rank.session(graph)

    (found,) = session.run(None, {"rows": np.array([[127.0], [-127.0]], np.float32).repeat(inputs, axis=1)})

    np.testing.assert_array_equal(
        found, np.array([[1], [-1]]) * np.full((2, 64), sign * 127.0 * 127 * inputs)
    )


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_row_has_the_same_bits_alone_and_in_any_company(
    precision: str, threads: int, each_rank: Operators
) -> None:
    layer = whole(precision)
    session = layer.session(each_rank, threads)
    rows = random_rows(ROWS, layer.inputs, seed=2)
    together = run(session, layer, rows)

    @given(st.lists(st.integers(0, ROWS - 1), min_size=1, max_size=ROWS))
    def check(chosen: list[int]) -> None:
        np.testing.assert_array_equal(run(session, layer, rows[chosen]), together[chosen])

    check()


@pytest.mark.parametrize("precision", PRECISIONS)
def test_threads_change_no_bit(precision: str, operators: Operators) -> None:
    layer = Layer(precision, 130, 1000)
    rows = random_rows(ROWS, layer.inputs, seed=3)
    alone = run(layer.session(operators, threads=1), layer, rows)
    for threads in (2, 5):
        np.testing.assert_array_equal(run(layer.session(operators, threads), layer, rows), alone)


@pytest.mark.parametrize("has_everything", [True, False])
@pytest.mark.parametrize("activation", Activation)
@pytest.mark.parametrize("precision", PRECISIONS)
def test_what_is_no_number_spoils_its_own_row_and_all_of_it(
    precision: str, activation: Activation, has_everything: bool, each_rank: Operators
) -> None:
    layer = whole(precision, activation) if has_everything else Layer(precision, activation=activation)
    session = layer.session(each_rank)
    rows = random_rows(13, layer.inputs, seed=4)
    healthy = run(session, layer, rows)
    assert np.isfinite(healthy).all()

    @given(row=st.integers(0, 12), place=st.integers(0, layer.inputs - 1), bad=strange(layer))
    def check(row: int, place: int, bad: float) -> None:
        spoilt = rows.copy()
        spoilt[row, place] = bad
        (found,) = session.run(None, layer.feeds(rows) | {"rows": spoilt})
        assert not np.isfinite(found[row]).any()
        np.testing.assert_array_equal(np.delete(found, row, axis=0), np.delete(healthy, row, axis=0))

    check()


def strange(layer: Layer) -> st.SearchStrategy[float]:
    """What is no number; an infinity, too, but where a float's ReLU rightly makes a zero of it."""
    cuts_soundly = layer.activation is Activation.RELU and layer.norm == "none"
    if cuts_soundly and layer.precision in ("fp32", "fp16"):
        return st.just(np.nan)
    return st.sampled_from([np.nan, np.inf, -np.inf])


@pytest.mark.parametrize("has_zero_points", [False, True])
def test_values_of_any_size_are_scaled_to_bytes(has_zero_points: bool, operators: Operators) -> None:
    layer = Layer("int8", has_zero_points=has_zero_points)
    session = layer.session(operators)

    @given(st.floats(1e-30, 1e30), st.integers(0, 1000))
    def check(size: float, seed: int) -> None:
        rows = np.float32(size) * np.random.default_rng(seed).uniform(-1, 1, (3, 130)).astype(np.float32)
        wanted = expected(layer, rows)
        assert (np.abs(run(session, layer, rows) - wanted.values) <= wanted.allowed).all()

    check()


def test_rows_of_another_width_are_refused(operators: Operators) -> None:
    graph = GraphBuilder("wrong")
    rows = graph.input("rows", np.float32, ["rows", "width"])
    weight = graph.constant(np.ones((1, 4, 64), np.float32))
    widths = {"input_width": 4, "output_width": 64}
    graph.output(graph.apply("Linear", rows, weight, domain="triton_rag", **widths), np.float32, ["rows", 64])
    session = operators.session(graph)

    five: npt.NDArray[np.float32] = np.ones((2, 5), np.float32)
    with pytest.raises(InvalidArgument, match="a row has 5 values; the layer reads 4"):
        session.run(None, {"rows": five})


def test_a_layer_without_widths_is_refused(operators: Operators) -> None:
    graph = GraphBuilder("wrong")
    rows = graph.input("rows", np.float32, ["rows", 4])
    weight = graph.constant(np.ones((1, 4, 64), np.float32))
    graph.output(graph.apply("Linear", rows, weight, domain="triton_rag"), np.float32, ["rows", 64])

    with pytest.raises(Exception, match="input_width and output_width must be given"):
        operators.session(graph)


def test_the_best_instructions_are_chosen_and_others_refused(operators: Operators) -> None:
    best = operators.instruction_set
    ranks = []
    for rank in range(5):
        with operators.rank(rank) as is_there:
            ranks += [operators.instruction_set] if is_there else []
    assert ranks[0] == "generic"
    assert ranks[-1] == best == operators.instruction_set
    assert operators.library.triton_rag_use_rank(4) == -1
