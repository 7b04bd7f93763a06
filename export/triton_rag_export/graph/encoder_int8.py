"""INT8 of an encoder: calibrate on the FP32 graph and even out activations; the graph quantizes.

Calibration runs the FP32 graph itself with its layers' inputs as further outputs, on packed rows: no padding
can distort what it sees. A post-norm encoder cannot take smoothing factors into its norms, because the
residual shares their results: layers that read a norm's result multiply it themselves. The attention's output
is a mean of values: its factors go into the value and output weights, at no cost.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from query_encoding.packing import TOKENS_ON_ALL_THREADS, TokenIds, pack, plan_calls
from query_encoding.sessions import load_session

from triton_rag_export.graph.bert_graph import Site, build_bert_graph
from triton_rag_export.graph.bert_weights import BertLayer, BertWeights
from triton_rag_export.graph.factors import reading_matrix, with_outputs
from triton_rag_export.graph.linear import Floats, smoothing_factors
from triton_rag_export.kernels import install_kernels

ALPHA = 0.75
"""How much of the unevenness smoothing moves into the weights; chosen from 0.5 to 0.9 on MiniLM-L6."""

CHECKED_SHARE = 5
"""Every fifth calibration text is set aside to check the result."""

AbsoluteMaxima = Mapping[tuple[int, Site], Floats]
"""What calibration saw: the largest absolute activation of each input channel, by layer and site."""


def calibrate(bert: BertWeights, texts: Sequence[TokenIds], folder: Path) -> AbsoluteMaxima:
    """The largest absolute input of each channel of each site.

    Args:
        bert: the encoder.
        texts: token ids of at least one text.
        folder: where to write the graph that is run; the files stay behind.
    """
    built = build_bert_graph(bert, "mean", "fp32", normalize=False)
    probes: dict[str, tuple[int, Site]] = {}
    for place, rows in built.inputs_of.items():
        graph = built.graph
        axis = graph.constant([0], np.int64)
        largest = graph.apply("ReduceMax", graph.apply("Abs", rows), axis, keepdims=0)
        probes[graph.output(largest, np.float32, ["channels"])] = place
    path = folder / "calibration.onnx"
    built.graph.save(path)
    install_kernels(folder)
    session = load_session(path, 0)
    found: dict[tuple[int, Site], Floats] = {}
    for call in plan_calls(np.array([len(text) for text in texts], dtype=np.int64), TOKENS_ON_ALL_THREADS):
        maxima = session.run(list(probes), pack([texts[index] for index in call]))
        for place, values in zip(probes.values(), maxima, strict=True):
            found[place] = np.maximum(found.get(place, values), values)
    return found


def smoothed(bert: BertWeights, maxima: AbsoluteMaxima) -> BertWeights:
    """The same encoder with evener inputs of its layers."""
    layers = (_smoothed(layer, number, maxima) for number, layer in enumerate(bert.layers))
    return replace(bert, layers=tuple(layers))


def set_aside(texts: Sequence[TokenIds]) -> tuple[list[TokenIds], list[TokenIds]]:
    """Texts to calibrate on, and texts to check on; no text is in both."""
    checked = list(texts[::CHECKED_SHARE])
    return [text for number, text in enumerate(texts) if number % CHECKED_SHARE], checked


def _smoothed(layer: BertLayer, number: int, maxima: AbsoluteMaxima) -> BertLayer:
    output = layer.attention_output
    attended = smoothing_factors(maxima[number, "attention_output"], reading_matrix(output), ALPHA)
    value = with_outputs(layer.value, lambda channels: (channels / attended).astype(np.float32))
    joined = np.concatenate([reading_matrix(part) for part in (layer.query, layer.key, value)], axis=1)
    attention = smoothing_factors(maxima[number, "attention"], joined, ALPHA)
    feed_forward = smoothing_factors(
        maxima[number, "feed_forward"], reading_matrix(layer.feed_forward_in), ALPHA
    )
    return replace(
        layer,
        query=layer.query.smoothed(attention),
        key=layer.key.smoothed(attention),
        value=value.smoothed(attention),
        attention_output=output.smoothed(attended),
        feed_forward_in=layer.feed_forward_in.smoothed(feed_forward),
        attention_factors=_inverse(attention),
        feed_forward_factors=_inverse(feed_forward),
    )


def _inverse(factors: Floats) -> Floats:
    return (1 / factors).astype(np.float32)
