"""INT8 of an encoder: calibrate on the FP32 graph, smooth, quantize.

Calibration runs the FP32 graph itself with its layers' inputs as further outputs, on packed rows: no padding
can distort what it sees.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
from query_encoding.packing import TOKENS_ON_ALL_THREADS, TokenIds, pack, plan_calls

from triton_rag_export.graph.bert_graph import PackedInputs, Pooling, add_encoder, add_inputs
from triton_rag_export.graph.bert_weights import BertLayer, BertWeights
from triton_rag_export.graph.encoder_linear import (
    ALPHA,
    AbsoluteMaxima,
    FloatLinear,
    Int8Linear,
    Int8Method,
    Site,
)
from triton_rag_export.graph.linear import Floats, LinearWeights, bias_of, smoothing_factors
from triton_rag_export.graph.onnx_builder import GraphBuilder

CHECKED_SHARE = 5
"""Every fifth calibration text is set aside to check the result."""


def calibrate(bert: BertWeights, pooling: Pooling, texts: Sequence[TokenIds], folder: Path) -> AbsoluteMaxima:
    """The largest absolute input of each channel of each linear layer.

    Args:
        bert: the encoder.
        pooling: how it pools.
        texts: token ids of at least one text.
        folder: where to write the graph that is run; the file stays behind.
    """
    builder = GraphBuilder("calibration")
    inputs = add_inputs(builder, pooling)
    probes: dict[str, tuple[int, Site]] = {}
    add_encoder(builder, inputs, bert, FloatLinear(builder, probes=probes), "fp32", normalize=False)
    path = folder / "calibration.onnx"
    builder.save(path)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = [entry.name for entry in session.get_inputs()]
    largest: dict[tuple[int, Site], Floats] = {}
    for call in plan_calls(np.array([len(text) for text in texts], dtype=np.int64), TOKENS_ON_ALL_THREADS):
        packed = pack([texts[index] for index in call], pad_id=0)
        found = session.run(list(probes), {name: getattr(packed, name) for name in names})
        for place, values in zip(probes.values(), found, strict=True):
            largest[place] = np.maximum(largest.get(place, values), values)
    return largest


def int8_graph(
    bert: BertWeights,
    pooling: Pooling,
    absolute_maxima: AbsoluteMaxima | None,
    method: Int8Method,
    *,
    normalize: bool,
) -> GraphBuilder:
    """The encoder in INT8; see `Int8Linear` for the arguments."""
    builder = GraphBuilder("encoder_int8")
    inputs: PackedInputs = add_inputs(builder, pooling)
    linear = Int8Linear(builder, inputs.ids, bert.activation, absolute_maxima, method)
    if absolute_maxima is not None:
        bert = smooth_values(bert, absolute_maxima)
    add_encoder(builder, inputs, bert, linear, "int8", normalize=normalize)
    return builder


def smooth_values(bert: BertWeights, absolute_maxima: AbsoluteMaxima) -> BertWeights:
    """Even out the attention's output: factors go into value columns and output rows, at no cost."""
    layers = [
        _smooth_values(layer, absolute_maxima[number, "output"]) for number, layer in enumerate(bert.layers)
    ]
    return replace(bert, layers=tuple(layers))


def set_aside(texts: Sequence[TokenIds]) -> tuple[list[TokenIds], list[TokenIds]]:
    """Texts to calibrate on, and texts to check on; no text is in both."""
    checked = list(texts[::CHECKED_SHARE])
    return [text for number, text in enumerate(texts) if number % CHECKED_SHARE], checked


def _smooth_values(layer: BertLayer, absolute_maxima: Floats) -> BertLayer:
    output = layer.attention_output
    factors = smoothing_factors(absolute_maxima, output.weight, ALPHA)
    weight, bias = layer.value.weight / factors, bias_of(layer.value) / factors
    value = LinearWeights(weight.astype(np.float32), bias.astype(np.float32))
    return replace(layer, value=value, attention_output=output.smoothed(factors))
