"""The graph that reads a source: the encoder, and the keys and values that the decoder will attend to.

One source a call, without padding: a row is a token, (rows, channels), and what a source gives cannot depend
on others. The keys and values of all decoder layers are projected here, once a request, and written where the
slot keeps them.

Physics: a source of some hundred tokens is bound by arithmetic, and fills the cores by itself.
"""

import numpy as np

from triton_rag_export.graph.attention_nodes import Caches, source_attention_node, store_source_node
from triton_rag_export.graph.causal_model import CacheKind
from triton_rag_export.graph.encoder_decoder_blocks import (
    BlockBuild,
    embed,
    feed_forward,
    joined,
    linear,
    normalize,
    query_key_value,
    relative_bias,
    residual,
    shape_of,
)
from triton_rag_export.graph.encoder_decoder_model import (
    Attention,
    EncoderDecoderModel,
    Normalization,
    TransformerLayer,
)
from triton_rag_export.graph.linear import Precision
from triton_rag_export.graph.onnx_builder import Device, GraphBuilder

# RMSNormalization is standard since opset 23.
OPSET = 23


def build_source_encoder_graph(
    model: EncoderDecoderModel, *, precision: Precision, cache: CacheKind = "fp32", device: Device = "cpu"
) -> GraphBuilder:
    """Build the graph that reads one source.

    Inputs, with S tokens: `token_ids` (S,) int64; `slot` (1,) int32; for each decoder layer the caches of all
    slots' sources, `key_cross_<layer>` (slots, heads, capacity / 16, head_size, 16) and `value_cross_<layer>`
    (slots, heads, capacity, head_size rounded up to 16), of which the slot's first S places are written.

    Outputs: `stored_<layer>` (1, 1), how many tokens were written: who asks for it has it done.

    For a GPU `positions` and `places` (S,) int64 take the place of `slot`, how many tokens come before each
    and where its keys and values go; caches are tables (`cache_lines`), and `present_...` of each is an
    output, to be bound to its memory.

    Args:
        model: the model.
        precision: "fp32"; "fp16", weights stored in half the bytes and, on a CPU, computed in FP32; "int8".
        cache: what keys and values are kept in, "fp32" or "fp16".
        device: what will run it; "cuda" takes "fp32" and "fp16" alone.
    """
    graph = GraphBuilder("source_encoder", opset=OPSET, device=device)
    token_ids = graph.input("token_ids", np.int64, ["rows"])
    positions = place = ""
    if device == "cuda":
        positions, place = (graph.input(name, np.int64, ["rows"]) for name in ("positions", "places"))
    else:
        place = graph.input("slot", np.int32, [1])

    def first_positions(table: str) -> str:
        count = graph.apply("Shape", token_ids, label="count")  # (1,)
        return graph.apply("Slice", table, graph.constant([0], np.int64), count, label="own_positions")

    hidden = embed(graph, model.encoder, precision, token_ids, first_positions)  # (rows, hidden)
    build = BlockBuild(graph, model, precision, cache)
    for index, layer in enumerate(model.encoder.layers):
        with graph.scope(f"encoder_{index}"):
            hidden = _layer(build, layer, hidden, positions)
    encoded = normalize(graph, hidden, model.encoder.final_norm, "final_norm")
    for index, layer in enumerate(model.decoder.layers):
        if layer.cross_attention is not None:
            _store(build, layer.cross_attention, encoded, place, index)
    return graph


def _layer(build: BlockBuild, layer: TransformerLayer, hidden: str, positions: str) -> str:
    def attend(rows: str, norm: Normalization | None) -> str:
        return _attend(build, layer.attention, rows, norm, positions)

    def transform(rows: str, norm: Normalization | None) -> str:
        return feed_forward(build, layer.feed_forward, rows, norm)

    hidden = residual(build, hidden, layer.attention_norm, "attention", attend)
    return residual(build, hidden, layer.feed_forward_norm, "feed_forward", transform)


def _attend(
    build: BlockBuild, attention: Attention, rows: str, norm: Normalization | None, positions: str
) -> str:
    """Attention of all tokens to all: (rows, hidden) to (rows, hidden)."""
    attended = source_attention_node(
        build.graph,
        query_key_value(build, attention, rows, norm),
        shape_of(attention),
        bias=relative_bias(build.graph, attention),
        positions=positions,
    )
    return linear(build, attended, attention.output, "attention_output", residual=rows)


def _store(build: BlockBuild, attention: Attention, encoded: str, place: str, index: int) -> None:
    """Project a decoder layer's keys and values and write them into the slot's cache."""
    graph = build.graph
    caches = Caches.declare(graph, f"cross_{index}", attention.heads, attention.head_size, build.cache)
    with graph.scope(f"decoder_{index}"):
        rows = joined(build, encoded, (attention.key, attention.value), "cross_key_value")
        store_source_node(graph, rows, shape_of(attention), caches, place, f"stored_{index}")
