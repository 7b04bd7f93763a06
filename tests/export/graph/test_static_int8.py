"""Static INT8: a graph of standard operators, symmetric bytes, and vectors close to FP32's."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import pytest
from export.graph.conftest import PARAGRAPHS, ExportedEncoder, exported
from onnx import numpy_helper
from query_encoding import EncoderSettings
from tiny_encoders import TinyEncoder, save_tiny_encoder
from transformers import AutoModel
from triton_rag_export.errors import UnsupportedModelError
from triton_rag_export.graph.encoder import EncoderExport, export_encoder
from triton_rag_export.graph.model_source import ModelSource, resolve_model
from triton_rag_export.graph.quantization_aware import mark_quantization_aware
from triton_rag_export.graph.static_int8 import MOST_TEXTS, Calibration, quantize_static_int8

METHODS: tuple[Calibration, ...] = ("minmax", "entropy", "percentile")
TINY = TinyEncoder(width=32, heads=4, inner=64)
TEXTS = tuple(f"{first[:30]} {second[:30]}" for first in PARAGRAPHS for second in PARAGRAPHS)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> ModelSource:
    return resolve_model(str(save_tiny_encoder(TINY, tmp_path_factory.mktemp("tiny"))))


@pytest.fixture(scope="module", params=METHODS)
def static(
    request: pytest.FixtureRequest, source: ModelSource, tmp_path_factory: pytest.TempPathFactory
) -> ExportedEncoder:
    return static_encoder(source, tmp_path_factory.mktemp("static"), request.param)


def static_encoder(source: ModelSource, folder: Path, method: Calibration = "minmax") -> ExportedEncoder:
    settings = EncoderExport(precision="int8_static", calibration=method, calibration_texts=TEXTS)
    return exported(source, settings, folder)


def graph_of(encoder: ExportedEncoder) -> tuple[onnx.GraphProto, Mapping[str, npt.NDArray[np.generic]]]:
    graph = onnx.load(encoder.folder / "encoder.onnx").graph
    return graph, {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}


def test_the_vectors_are_close_to_those_of_fp32(static: ExportedEncoder) -> None:
    report = static.report
    assert (report.built_by, report.precision, report.family) == ("torch", "int8_static", "bert")
    assert report.to_torch.least >= 0.9999
    assert report.to_fp32 is not None
    assert report.to_fp32.mean >= 0.99


def test_weights_are_rounded_to_their_own_scale_symmetrically_per_channel(tmp_path: Path) -> None:
    """`Q(x) = round(x / S)`, where `S` is the largest absolute value of the channel / 127."""
    weight = np.random.default_rng(5).normal(size=(24, 9)).astype(np.float32)
    weight[:, 4] = 0
    one_layer(weight, tmp_path / "fp32.onnx")
    texts = [np.arange(number, number + 6, dtype=np.int32) for number in range(4)]

    quantize_static_int8(tmp_path / "fp32.onnx", texts, "minmax", tmp_path / "int8.onnx", tmp_path)

    arrays = {
        tensor.name: numpy_helper.to_array(tensor)
        for tensor in onnx.load(tmp_path / "int8.onnx").graph.initializer
    }
    smooth = weight / arrays["rows_inverse_factors"][:, None]
    largest = np.abs(smooth).max(axis=0)
    scale = np.where(largest > 0, largest / 127, 1)
    written = arrays["rows_product_weight_quantized"]
    found = arrays["rows_product_weight_scale"]
    used = largest > 0
    np.testing.assert_allclose(found[used], scale[used], rtol=1e-6)
    assert written.dtype == np.int8
    assert np.abs(written.astype(np.int16)).max() == 127
    exact = smooth / found
    away_from_a_half = np.abs(exact - np.floor(exact) - 0.5) > 1e-4
    np.testing.assert_array_equal(written[away_from_a_half], np.rint(exact)[away_from_a_half])
    assert not written[:, 4].any()
    assert not arrays["rows_product_weight_zero_point"].any()


def one_layer(weight: npt.NDArray[np.float32], path: Path) -> None:
    """Rows of a table, one text at a time, times a matrix."""
    table = np.random.default_rng(7).normal(size=(40, len(weight))).astype(np.float32)
    graph = onnx.helper.make_graph(
        [
            onnx.helper.make_node("Gather", ["table", "ids"], ["rows"], "gather"),
            onnx.helper.make_node("MatMul", ["rows", "weight"], ["vectors"], "linear"),
        ],
        "one_layer",
        [onnx.helper.make_tensor_value_info("ids", onnx.TensorProto.INT32, [1, "tokens"])],
        [
            onnx.helper.make_tensor_value_info(
                "vectors", onnx.TensorProto.FLOAT, [1, "tokens", weight.shape[1]]
            )
        ],
        [numpy_helper.from_array(table, "table"), numpy_helper.from_array(weight, "weight")],
    )
    opset = [onnx.helper.make_opsetid("", 20)]
    onnx.save_model(onnx.helper.make_model(graph, opset_imports=opset, ir_version=10), path)


def test_the_graph_is_of_standard_operators_and_every_product_of_bytes(static: ExportedEncoder) -> None:
    graph, arrays = graph_of(static)
    made_by = {name: node for node in graph.node for name in node.output}
    assert {node.domain for node in graph.node} <= {"", "ai.onnx"}
    assert [path.name for path in static.folder.glob("*.so")] == []
    products = [
        node
        for node in graph.node
        if node.op_type in ("MatMul", "Gemm")
        and (node.input[1] in arrays or made_by[node.input[1]].input[0] in arrays)
    ]
    assert len(products) == 4 * 2  # query with key and value, attention output, and feed-forward's two
    for product in products:
        read = [made_by[name] for name in product.input]
        assert [node.op_type for node in read] == ["DequantizeLinear"] * 2
        assert made_by[read[0].input[0]].op_type == "QuantizeLinear"
    points = [node.input[2] for node in graph.node if node.op_type in ("QuantizeLinear", "DequantizeLinear")]
    assert all(arrays[name].dtype == np.int8 and not arrays[name].any() for name in points)


def test_tables_of_embeddings_are_kept_in_halves(static: ExportedEncoder) -> None:
    graph, arrays = graph_of(static)
    tables = [
        arrays[node.input[0]] for node in graph.node if node.op_type == "Gather" and node.input[0] in arrays
    ]
    found = {table.dtype for table in tables if table.ndim == 2}
    assert found == {np.dtype(np.float16)}


def test_a_text_has_the_same_bits_alone_and_in_a_batch(static: ExportedEncoder) -> None:
    ids = static.tokenizer.encode_texts([*PARAGRAPHS, "x", "word " * 300])
    together = static.encoder.encode_ragged(ids)
    alone = np.concatenate([static.encoder.encode_ragged([text]) for text in ids])
    np.testing.assert_array_equal(together, alone)


def test_what_pads_a_batch_changes_no_vector(static: ExportedEncoder) -> None:
    ids = static.tokenizer.encode_texts(["short", PARAGRAPHS[0]])
    lengths = np.array([len(text) for text in ids], dtype=np.int32)
    padded = np.full((2, 64), 1, dtype=np.int32)
    for row, text in enumerate(ids):
        padded[row, : len(text)] = text
    np.testing.assert_array_equal(static.encoder.encode(padded, lengths), static.encoder.encode_ragged(ids))


def test_methods_choose_different_ranges_and_the_fingerprint_tells_them_apart(
    source: ModelSource, tmp_path: Path
) -> None:
    graphs = set()
    for method in METHODS:
        (tmp_path / method).mkdir()
        assert static_encoder(source, tmp_path / method, method).report.calibration == method
        graphs.add(EncoderSettings.read(tmp_path / method).fingerprint["graph"])
    assert len(graphs) == len(METHODS)


def test_the_same_texts_give_the_same_graph_in_another_process(source: ModelSource, tmp_path: Path) -> None:
    """Sets of names iterate in another order there: a fingerprint must not change with it."""
    code = (
        "import sys; from pathlib import Path; from export.graph.test_static_int8 import static_encoder\n"
        "from triton_rag_export.graph.model_source import resolve_model\n"
        "found = static_encoder(resolve_model(sys.argv[1]), Path(sys.argv[2])).encoder.fingerprint['graph']\n"
        "print(found)"
    )
    found = []
    for seed in ("1", "2"):
        (tmp_path / seed).mkdir()
        environment = {
            **os.environ,
            "PYTHONHASHSEED": seed,
            "PYTHONPATH": os.pathsep.join(sys.path),
        }
        run = subprocess.run(
            [sys.executable, "-c", code, str(source.folder), str(tmp_path / seed)],
            capture_output=True,
            text=True,
            check=True,
            env=environment,
        )
        found.append(run.stdout.splitlines()[-1])
    assert found[0] == found[1]


def test_a_few_large_channels_leave_the_others_their_steps(tmp_path: Path) -> None:
    """What smoothing is for: without it, one scale for a channel of 1 and one of 100 loses the first."""
    weight = np.random.default_rng(2).normal(size=(24, 16)).astype(np.float32)
    one_layer(weight, tmp_path / "fp32.onnx")
    model = onnx.load(tmp_path / "fp32.onnx")
    table = numpy_helper.to_array(model.graph.initializer[0]).copy()
    table[:, 3] *= 100
    model.graph.initializer[0].CopyFrom(numpy_helper.from_array(table, "table"))
    weight_without = weight.copy()
    weight_without[3] /= 100
    model.graph.initializer[1].CopyFrom(numpy_helper.from_array(weight_without, "weight"))
    onnx.save_model(model, tmp_path / "fp32.onnx")
    texts = [np.arange(number, number + 6, dtype=np.int32) for number in range(0, 34, 6)]

    quantize_static_int8(tmp_path / "fp32.onnx", texts, "minmax", tmp_path / "int8.onnx", tmp_path)

    exact, found = (run_graph(tmp_path / name, texts[1]) for name in ("fp32.onnx", "int8.onnx"))
    assert np.abs(found - exact).max() < 0.03 * np.abs(exact).max()


def run_graph(path: Path, ids: npt.NDArray[np.int32]) -> npt.NDArray[np.float32]:
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    vectors: npt.NDArray[np.float32] = session.run(None, {"ids": ids[None]})[0]
    return vectors


def test_many_calibration_texts_are_spread_out(
    source: ModelSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from triton_rag_export.graph import static_int8

    seen: list[int] = []
    original = static_int8.join_and_smooth

    def counted(model: onnx.ModelProto, texts: list[npt.NDArray[np.int32]], folder: Path) -> list[str]:
        seen.append(len(texts))
        return original(model, texts, folder)

    monkeypatch.setattr(static_int8, "join_and_smooth", counted)
    one_layer(np.eye(24, 8, dtype=np.float32), tmp_path / "fp32.onnx")
    texts = [np.array([number % 40, 3], dtype=np.int32) for number in range(MOST_TEXTS * 2 + 1)]
    quantize_static_int8(tmp_path / "fp32.onnx", texts, "minmax", tmp_path / "int8.onnx", tmp_path)
    assert MOST_TEXTS / 2 < seen[0] <= MOST_TEXTS


@pytest.mark.parametrize("family", ["distilbert", "mpnet", "albert"])
def test_families_that_torch_exports_are_quantized_as_well(family: str, tmp_path: Path) -> None:
    folder = save_tiny_encoder(TinyEncoder(family=family, width=32, heads=4, inner=64), tmp_path / "model")
    (tmp_path / "out").mkdir()
    found = static_encoder(resolve_model(str(folder)), tmp_path / "out")
    assert found.report.to_fp32 is not None
    assert found.report.to_fp32.mean >= 0.98


def test_a_model_trained_for_a_scale_a_row_is_refused(tmp_path: Path) -> None:
    folder = save_tiny_encoder(TINY, tmp_path / "model")
    model = AutoModel.from_pretrained(folder)
    mark_quantization_aware(model)
    model.save_pretrained(folder)
    settings = EncoderExport(precision="int8_static", calibration_texts=TEXTS)
    with pytest.raises(
        UnsupportedModelError, match=r'trained for INT8 with a scale a row.*export it in "int8"'
    ):
        export_encoder(resolve_model(str(folder)), settings, tmp_path)


def test_nothing_to_calibrate_on_is_refused(source: ModelSource, tmp_path: Path) -> None:
    with pytest.raises(
        UnsupportedModelError, match=r'"int8_static" with 0 calibration_texts: give a hundred'
    ):
        export_encoder(source, EncoderExport(precision="int8_static"), tmp_path)
