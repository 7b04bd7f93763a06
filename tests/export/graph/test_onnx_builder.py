"""The builder of graphs keeps its books."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import pytest
from triton_rag_export.graph.onnx_builder import GraphBuilder, without_trailing


def run(path: Path, rows: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    result: npt.NDArray[np.float32] = session.run(None, {"rows": rows})[0]
    return result


def product(weight: npt.NDArray[np.float32]) -> GraphBuilder:
    builder = GraphBuilder("product")
    rows = builder.input("rows", np.float32, ["rows", len(weight)])
    value = builder.apply("MatMul", rows, builder.constant(weight))
    builder.output(value, np.float32, ["rows", weight.shape[1]])
    return builder


def test_equal_constants_are_stored_once() -> None:
    builder = GraphBuilder("constants")
    names = {
        builder.constant([1, 2], np.int64),
        builder.constant(np.array([1, 2])),
        builder.constant([1, 2], np.int32),
    }
    assert len(names) == 2
    assert builder.size_bytes() == 16 + 8


def test_nodes_carry_their_scope_and_a_unique_name(tmp_path: Path) -> None:
    builder = GraphBuilder("names")
    value = builder.input("rows", np.float32, [1])
    with builder.scope("outer"), builder.scope("inner"):
        first = builder.apply("Relu", value)
        second = builder.apply("Relu", first)
    assert (first, second) == ("outer/inner/Relu", "outer/inner/Relu_1")
    builder.output(second, np.float32, [1])
    builder.save(tmp_path / "graph.onnx")


def test_big_constants_beside_the_graph_give_the_same_result(tmp_path: Path) -> None:
    weight = np.random.default_rng(1).normal(size=(64, 48)).astype(np.float32)
    rows = np.ones((2, 64), dtype=np.float32)
    product(weight).save(tmp_path / "inside.onnx")
    product(weight).save(tmp_path / "beside.onnx", external=True)
    assert (tmp_path / "beside.onnx.data").stat().st_size == weight.nbytes
    assert (tmp_path / "beside.onnx").stat().st_size < weight.nbytes
    np.testing.assert_array_equal(run(tmp_path / "inside.onnx", rows), run(tmp_path / "beside.onnx", rows))


def test_an_output_carries_the_name_it_is_given(tmp_path: Path) -> None:
    builder = GraphBuilder("named")
    rows = builder.input("rows", np.float32, ["rows", 4])
    with builder.scope("outer"):
        name = builder.apply("Neg", rows, output="negative")
    builder.output(name, np.float32, ["rows", 4])
    builder.save(tmp_path / "graph.onnx")
    assert name == "negative"
    np.testing.assert_array_equal(
        run(tmp_path / "graph.onnx", np.array([[1, 2, 3, 5]], np.float32)), [[-1, -2, -3, -5]]
    )


def test_optional_inputs_are_left_out_at_the_end_alone() -> None:
    assert without_trailing(["rows", "", "bias", "", ""]) == ["rows", "", "bias"]
    assert without_trailing(["", ""]) == []


def test_a_name_that_is_taken_is_refused() -> None:
    builder = GraphBuilder("taken")
    builder.input("rows", np.float32, [1])
    with pytest.raises(ValueError, match="called rows already"):
        builder.input("rows", np.float32, [1])
    with pytest.raises(ValueError, match="called rows already"):
        builder.apply("Relu", "rows", output="rows")


def test_a_graph_that_is_not_valid_is_refused(tmp_path: Path) -> None:
    builder = GraphBuilder("wrong")
    value = builder.apply("Relu", "nowhere")
    builder.output(value, np.float32, [1])
    with pytest.raises(onnx.checker.ValidationError, match="nowhere"):
        builder.save(tmp_path / "graph.onnx")
