"""Static INT8 of an exported encoder, in standard operators: `QuantizeLinear` and `DequantizeLinear`.

`Q(x) = round(x / S)`, symmetric, -127 to 127, half to even: weights with a scale an output channel,
activations with one scale a tensor, fixed by running calibration texts. What is quantized are the products
with constant matrices, nearly all of the arithmetic; attention's own products, softmax, norms, GELU and the
residual sums stay floats, and the tables of embeddings are kept in halves. ONNX Runtime's quantizer
(`onnxruntime.quantization`) calibrates and writes the pairs. Our own INT8 (`encoder_int8.py`) has a scale a
row instead, which is more exact and faster on CPUs, in operators of our own; this is the one that other
runtimes read. Zero points are 0, as TensorRT asks.
"""

import contextlib
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnx
from query_encoding.packing import TokenIds

from triton_rag_export.graph.joined_products import join_and_smooth

Calibration = Literal["minmax", "entropy", "percentile"]
MOST_TEXTS = 128
"""More are spread out: histograms of every tensor are counted again for each text."""
PERCENTILE = 99.999
"""Of the absolute values, what "percentile" keeps within the range."""
_METHODS: dict[Calibration, str] = {"minmax": "MinMax", "entropy": "Entropy", "percentile": "Percentile"}


def quantize_static_int8(
    source: Path, texts: Sequence[TokenIds], calibration: Calibration, path: Path, scratch: Path
) -> None:
    """Write an exported graph in static INT8.

    Args:
        source: a graph of the "single" layout in FP32, of standard operators.
        texts: token ids to calibrate on, at least one; run one by one.
        calibration: how a tensor's range is chosen. "minmax": all that was seen; "percentile": all but the
            largest 0.001%; "entropy": where the quantized distribution diverges least from the one seen
            (Migacz, 8-bit inference with TensorRT, 2017).
        path: the file to write.
        scratch: an existing folder for intermediate files; they stay behind.
    """
    from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.quant_utils import add_pre_process_metadata

    # Longest first: histograms get their width from the first text and grow from there.
    chosen = sorted(texts[:: -(-len(texts) // MOST_TEXTS)], key=len, reverse=True)
    model = onnx.load(source)
    products = join_and_smooth(model, chosen, scratch)
    add_pre_process_metadata(model)  # torch's exporter has folded constants and inferred shapes
    with contextlib.redirect_stdout(io.StringIO()):  # it prints a line for each text
        quantize_static(
            model,
            scratch / "quantized.onnx",
            _Texts(chosen),
            QuantFormat.QDQ,
            op_types_to_quantize=["MatMul"],
            per_channel=True,
            activation_type=QuantType.QInt8,
            weight_type=QuantType.QInt8,
            nodes_to_quantize=products,
            calibrate_method=getattr(CalibrationMethod, _METHODS[calibration]),
            extra_options={
                "ActivationSymmetric": True,
                "WeightSymmetric": True,
                "CalibPercentile": PERCENTILE,
                "CalibStridedMinMax": 1,  # with any method: collect text by text, so that lengths may differ
                "OpTypesToExcludeOutputQuantization": ["MatMul"],
            },
        )
    quantized = onnx.load(scratch / "quantized.onnx")
    _halve_tables(quantized)
    onnx.save_model(quantized, path)
    onnx.checker.check_model(str(path))


class _Texts:
    """A `CalibrationDataReader` of onnxruntime.quantization, which knows one by its methods."""

    def __init__(self, texts: Sequence[TokenIds]) -> None:
        self._texts = texts
        self._range: Iterator[TokenIds] = iter(texts)

    def __len__(self) -> int:
        return len(self._texts)

    def set_range(self, start_index: int, end_index: int) -> None:
        self._range = iter(self._texts[start_index:end_index])

    def get_next(self) -> dict[str, Any] | None:
        text = next(self._range, None)
        return None if text is None else {"ids": text[None]}


def _halve_tables(model: onnx.ModelProto) -> None:
    """Keep tables that rows are gathered from as float16, and make the gathered rows floats again."""
    tables = {
        tensor.name: tensor
        for tensor in model.graph.initializer
        if tensor.data_type == onnx.TensorProto.FLOAT and len(tensor.dims) == 2
    }
    others = {name for node in model.graph.node if node.op_type != "Gather" for name in node.input}
    nodes: list[onnx.NodeProto] = []
    for node in model.graph.node:
        nodes.append(node)
        if node.op_type != "Gather" or node.input[0] not in tables or node.input[0] in others:
            continue
        table = tables[node.input[0]]
        if table.data_type == onnx.TensorProto.FLOAT:
            halves = onnx.numpy_helper.to_array(table).astype(np.float16)
            table.CopyFrom(onnx.numpy_helper.from_array(halves, table.name))
        rows = node.output[0]
        node.output[0] = f"{rows}_halves"
        nodes.append(onnx.helper.make_node("Cast", [f"{rows}_halves"], [rows], to=onnx.TensorProto.FLOAT))
    del model.graph.node[:]
    model.graph.node.extend(nodes)
