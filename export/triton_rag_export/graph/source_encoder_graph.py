"""The graph that reads a source: the encoder, and the keys and values that the decoder will attend to.

One source a call, without padding: a row is a token, (rows, channels), and what a source gives cannot depend
on others. The keys and values of all decoder layers are projected here, once a request, and written where the
slot keeps them: `TensorScatter` writes in place when the caller binds past and present to one buffer.

Physics: a source of some hundred tokens is bound by arithmetic, and fills the cores by itself.
"""

import numpy as np

from triton_rag_export.graph.encoder_decoder_blocks import (
    BlockBuild,
    embed,
    feed_forward,
    linear,
    normalize,
    prepared,
    residual,
)
from triton_rag_export.graph.encoder_decoder_model import Attention, EncoderDecoderModel, TransformerLayer
from triton_rag_export.graph.head_filling import with_filled_heads
from triton_rag_export.graph.linear import Precision, QuantizedRows, row_zero_points
from triton_rag_export.graph.onnx_builder import MICROSOFT, GraphBuilder
from triton_rag_export.graph.relative_biases import RelativeBiases, source_biases

# TensorScatter, which writes into a cache in place, is standard since opset 24.
OPSET = 24


def build_source_encoder_graph(model: EncoderDecoderModel, *, precision: Precision) -> GraphBuilder:
    """Build the graph that reads one source.

    Inputs, with S tokens and C the capacity of the slot: `token_ids` (S,) int64; for each decoder layer
    `past_cross_key_<layer>` and `past_cross_value_<layer>` (1, heads, C, head_size).

    Outputs: `present_cross_key_<layer>` and `present_cross_value_<layer>`, to be bound to the same buffers;
    the first S places are written, the others stay.

    Args:
        model: the model.
        precision: "fp32"; "fp16", weights stored in half the bytes and computed in FP32 on a CPU; "int8".
    """
    graph = GraphBuilder("source_encoder", opset=OPSET)
    token_ids = graph.input("token_ids", np.int64, ["rows"])
    count = graph.apply("Shape", token_ids, label="count")  # (1,)

    def first_positions(table: str) -> str:
        return graph.apply("Slice", table, graph.constant([0], np.int64), count, label="own_positions")

    hidden = embed(graph, model.encoder, precision, token_ids, first_positions)  # (rows, hidden)
    zero_points = row_zero_points(graph, hidden) if precision == "int8" else ""
    build = BlockBuild(graph, model, precision, zero_points)
    biases = source_biases(graph, count)
    for index, layer in enumerate(model.encoder.layers):
        with graph.scope(f"encoder_{index}"):
            hidden = _layer(build, biases, layer, hidden)
    encoded = normalize(graph, hidden, model.encoder.final_norm, "final_norm")
    inputs = prepared(build, encoded, "encoded")
    for index, layer in enumerate(model.decoder.layers):
        if layer.cross_attention is not None:
            _write_cross_cache(build, with_filled_heads(layer.cross_attention), inputs, index)
    return graph


def _layer(build: BlockBuild, biases: RelativeBiases, layer: TransformerLayer, hidden: str) -> str:
    def attend(rows: str) -> str:
        return _attend(build, layer.attention, rows, biases)

    def transform(rows: str) -> str:
        return feed_forward(build, layer.feed_forward, rows)

    hidden = residual(build, hidden, layer.attention_norm, "attention", attend)
    return residual(build, hidden, layer.feed_forward_norm, "feed_forward", transform)


def _attend(build: BlockBuild, attention: Attention, rows: str, biases: RelativeBiases) -> str:
    """Attention of all tokens to all: (rows, hidden) to (rows, hidden)."""
    graph = build.graph
    inputs = prepared(build, rows, "attention")
    first = graph.constant([0], np.int64)
    query, key, value = (
        graph.apply("Unsqueeze", linear(build, inputs, layer, label), first)  # (1, rows, heads * size)
        for layer, label in (
            (attention.query, "query"),
            (attention.key, "key"),
            (attention.value, "value"),
        )
    )
    bias = biases.of(attention.bias)
    attended = graph.apply(
        "MultiHeadAttention",
        *([query, key, value, "", "", bias] if bias else [query, key, value]),
        domain=MICROSOFT,
        num_heads=attention.heads,
        scale=attention.scale,
    )
    flat = graph.apply("Squeeze", attended, first)
    return linear(build, prepared(build, flat, "attended"), attention.output, "attention_output")


def _write_cross_cache(
    build: BlockBuild, attention: Attention, inputs: str | QuantizedRows, index: int
) -> None:
    """Project a decoder layer's keys and values and write them into the slot's cache."""
    graph = build.graph
    by_head = graph.constant([1, -1, attention.heads, attention.head_size], np.int64)
    shape: list[int | str] = [1, attention.heads, "capacity", attention.head_size]
    with graph.scope(f"decoder_{index}"):
        for what, layer in (("key", attention.key), ("value", attention.value)):
            rows = linear(build, inputs, layer, f"cross_{what}")
            heads = graph.apply("Transpose", graph.apply("Reshape", rows, by_head), perm=[0, 2, 1, 3])
            past, present = (f"{time}_cross_{what}_{index}" for time in ("past", "present"))
            graph.input(past, np.float32, shape)
            graph.apply_named("TensorScatter", [past, heads], [present])
            graph.output(present, np.float32, shape)
