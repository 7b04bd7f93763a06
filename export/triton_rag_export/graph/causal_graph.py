"""The ragged graph of a causal language model: one step over all slots, whatever each of them brings.

Linear layers see packed rows only, (rows, channels): the new tokens of all slots under one another, without
padding. Attention alone needs a rectangle: rows are gathered to (slots, longest, channels), attended over
each slot's cache by `GroupQueryAttention`, whose input `query_seqlens` says how many rows of a slot are
real, and gathered back. The cache is written in place when the caller binds `past` and `present` to one
buffer. The head sees only the rows whose next token is asked for. So one graph decodes, prefills in chunks,
verifies drafts, and any mix of these, at any shape.

Physics: decoding reads every weight once a step, whatever the number of rows, so it is bound by memory and
gets cheaper a token with each slot that joins; a prefill chunk of a hundred rows is bound by arithmetic.
"""

from dataclasses import dataclass

import numpy as np

from triton_rag_export.graph.cache_scales import CacheScales
from triton_rag_export.graph.causal_model import CausalModel, DecoderLayer, GeneratorPrecision
from triton_rag_export.graph.factors import FactorizedWeights, Linear, width_of
from triton_rag_export.graph.linear import (
    Floats,
    LinearWeights,
    QuantizedRows,
    float_linear,
    quantize_rows,
    quantized_linear,
    row_zero_points,
    stored,
)
from triton_rag_export.graph.nbits import BlockLinear, block_linear, rounded_matrices
from triton_rag_export.graph.onnx_builder import MICROSOFT, GraphBuilder
from triton_rag_export.graph.side_by_side import linear_side_by_side

# RMSNormalization is standard since opset 23; after an Add it takes half the time of the fused
# SkipSimplifiedLayerNormalization from 64 rows up.
OPSET = 23

HEAD_BITS = 8
HEAD_BLOCK_SIZE = 64
"""The head of an INT4 model, plainly rounded: fine blocks cost it less than one activation scale a row."""


_BYTES_A_CHANNEL: dict[str, int | str] = {
    "k_quant_type": "PER_CHANNEL",
    "v_quant_type": "PER_CHANNEL",
    "kv_cache_bit_width": 8,
}


@dataclass(frozen=True, slots=True)
class _Step:
    """Names of what every layer's attention reads."""

    to_slots: str
    to_rows: str
    last_positions: str
    query_lengths: str
    capacity: str
    cosines: str
    sines: str


@dataclass(frozen=True, slots=True)
class _Build:
    """What every function here needs: where to build, what, and how precisely."""

    graph: GraphBuilder
    model: CausalModel
    precision: GeneratorPrecision
    cache_scales: CacheScales | None


def build_causal_graph(
    model: CausalModel,
    *,
    precision: GeneratorPrecision,
    positions: int,
    cache_scales: CacheScales | None = None,
) -> GraphBuilder:
    """Build the graph of one step.

    Inputs, with R rows of all slots, B slots of L padded rows each, C the capacity of the caches, and O
    output rows: `token_ids` (R,) int64; `to_slots` (B, L) int64, which row stands at each place (any row
    where padded); `to_rows` (R,) int64, at which place of the flattened (B * L,) each row stands;
    `output_rows` (O,) int64; `last_positions` (B,) int32, tokens in the cache after the step minus one, and 0
    for a slot without rows; `query_lengths` (B,) int32, the slot's rows; `capacity` () int32, always C;
    `past_key_<layer>` and `past_value_<layer>` (B, kv_heads, C, head_size).

    Outputs: `logits` (O, vocabulary); `present_key_<layer>` and
    `present_value_<layer>`, to be bound to the same buffers as the past.

    Args:
        model: the model.
        precision: "fp32"; "fp16", weights stored in half the bytes and computed in FP32 on a CPU; "int8";
            "int4", the layers as `quantize_layers` leaves them and the head in 8 bits.
        positions: how many positions the rotary tables hold; no row, padding included, may lie beyond.
        cache_scales: for caches of bytes; None keeps floats.
    """
    build = _Build(GraphBuilder("causal_step", opset=OPSET), model, precision, cache_scales)
    graph = build.graph
    token_ids = graph.input("token_ids", np.int64, ["rows"])
    step = _step_inputs(build, positions)
    output_rows = graph.input("output_rows", np.int64, ["output_rows"])
    hidden = _embed(build, token_ids)  # (rows, hidden)
    zero_points = row_zero_points(graph, hidden) if precision == "int8" else ""
    for index, layer in enumerate(model.layers):
        with graph.scope(f"layer_{index}"):
            hidden = _attend(build, step, layer, index, hidden, zero_points)
            hidden = _feed_forward(build, layer, hidden, zero_points)
    _predict(build, graph.apply("Gather", hidden, output_rows, axis=0, label="output_hidden"))
    return graph


def _step_inputs(build: _Build, positions: int) -> _Step:
    graph = build.graph
    cosines, sines = build.model.rotary.tables(positions)
    return _Step(
        to_slots=graph.input("to_slots", np.int64, ["slots", "longest"]),
        to_rows=graph.input("to_rows", np.int64, ["rows"]),
        last_positions=graph.input("last_positions", np.int32, ["slots"]),
        query_lengths=graph.input("query_lengths", np.int32, ["slots"]),
        capacity=graph.input("capacity", np.int32, []),
        cosines=graph.constant(cosines, np.float32, label="cosines"),
        sines=graph.constant(sines, np.float32, label="sines"),
    )


def _embed(build: _Build, token_ids: str) -> str:
    graph, table = build.graph, build.model.embedding
    if build.precision == "fp32":
        return graph.apply("Gather", graph.constant(table, label="embedding"), token_ids, axis=0)
    half = graph.constant(table.astype(np.float16), label="embedding")
    return graph.apply("Cast", graph.apply("Gather", half, token_ids, axis=0), to=1, label="embedded")


def _attend(
    build: _Build, step: _Step, layer: DecoderLayer, index: int, hidden: str, zero_points: str
) -> str:
    """Attention over the slot's cache, added to the residual stream: (rows, hidden) to (rows, hidden)."""
    graph = build.graph
    normal = _normalize(build, hidden, layer.attention_norm, "attention_norm")
    inputs = _prepare(build, normal, zero_points, "normal")

    def project(weights: Linear, label: str) -> str:
        return _linear(build, inputs, weights, label)

    rows = linear_side_by_side(graph, (layer.query, layer.key, layer.value), project, "query_key_value")
    rows = _normalize_heads(build, layer, rows)
    padded = graph.apply("Gather", rows, step.to_slots, axis=0, label="padded")  # (slots, longest, ·)
    attended = _group_query_attention(build, step, layer, index, padded)
    width = width_of(layer.query)
    flat = graph.apply("Reshape", attended, graph.constant([-1, width], np.int64))
    back = graph.apply("Gather", flat, step.to_rows, axis=0, label="attended_rows")  # (rows, heads * size)
    update = _linear(
        build, _prepare(build, back, zero_points, "attended"), layer.attention_output, "attention_output"
    )
    return graph.apply("Add", hidden, update, label="attention_residual")


def _normalize_heads(build: _Build, layer: DecoderLayer, rows: str) -> str:
    """Normalize each query and key head where the model does (Qwen3): the CPU's attention operator cannot."""
    if layer.query_norm is None or layer.key_norm is None:
        return rows
    graph, size = build.graph, build.model.head_size
    widths = list(map(width_of, (layer.query, layer.key, layer.value)))
    parts = graph.apply_many("Split", [rows, graph.constant(widths, np.int64)], 3, axis=-1)
    by_head, by_row = graph.constant([0, -1, size], np.int64), graph.constant([0, -1], np.int64)

    def normal(part: str, norm: Floats) -> str:
        heads = graph.apply("Reshape", part, by_head)  # (rows, heads, head_size)
        return graph.apply("Reshape", _normalize(build, heads, norm, "head_norm"), by_row)

    queries, keys, values = parts
    return graph.apply(
        "Concat", normal(queries, layer.query_norm), normal(keys, layer.key_norm), values, axis=-1
    )


def _group_query_attention(build: _Build, step: _Step, layer: DecoderLayer, index: int, queries: str) -> str:
    graph, shape = build.graph, layer.shape(build.model.head_size)
    past, present = ([f"{time}_{what}_{index}" for what in ("key", "value")] for time in ("past", "present"))
    cache_shape: list[int | str] = ["slots", shape.kv_heads, "capacity", build.model.head_size]
    quantized = build.cache_scales is not None
    dtype = np.int8 if quantized else np.float32
    for name in past:
        graph.input(name, dtype, cache_shape)
    attended = f"attended_{index}"
    inputs = [queries, "", "", *past, step.last_positions, step.capacity, step.cosines, step.sines]
    graph.apply_named(
        "GroupQueryAttention",
        [*inputs, "", "", "", *_cache_scales(build, index), "", "", step.query_lengths],
        [attended, *present],
        domain=MICROSOFT,
        num_heads=shape.heads,
        kv_num_heads=shape.kv_heads,
        do_rotary=1,
        **(_BYTES_A_CHANNEL if quantized else {}),
    )
    for name in present:
        graph.output(name, dtype, cache_shape)
    return attended


def _cache_scales(build: _Build, index: int) -> tuple[str, str]:
    """Names of the scales of a layer's keys and values; empty where the cache keeps floats."""
    if build.cache_scales is None:
        return "", ""
    keys, values = build.cache_scales.keys[index], build.cache_scales.values[index]
    return (
        build.graph.constant(keys, np.float32, label="key_scale"),
        build.graph.constant(values, np.float32, label="value_scale"),
    )


def _feed_forward(build: _Build, layer: DecoderLayer, hidden: str, zero_points: str) -> str:
    """down(SiLU(gate(x)) * up(x)), added to the residual stream: (rows, hidden) to (rows, hidden)."""
    graph = build.graph
    normal = _normalize(build, hidden, layer.feed_forward_norm, "feed_forward_norm")
    inputs = _prepare(build, normal, zero_points, "normal")
    gate, up = _linear(build, inputs, layer.gate, "gate"), _linear(build, inputs, layer.up, "up")
    # QuickGelu with alpha 1 is SiLU, in one pass.
    opened = graph.apply("QuickGelu", gate, domain=MICROSOFT, alpha=1.0)
    gated = graph.apply("Mul", opened, up, label="gated")  # (rows, feed_forward)
    update = _linear(build, _prepare(build, gated, zero_points, "gated"), layer.down, "down")
    return graph.apply("Add", hidden, update, label="feed_forward_residual")


def _predict(build: _Build, hidden: str) -> None:
    """Logits of the output rows.

    The most probable token is found outside: on a CPU the caller reads the same memory, and ArgMax takes
    twenty times as long as NumPy's (0.53 ms against 0.03 for eight rows of 49,152).
    """
    graph, model = build.graph, build.model
    normal = _normalize(build, hidden, model.final_norm, "final_norm")
    logits = _head(build, normal)
    vocabulary = model.vocabulary_size
    graph.apply_named("Identity", [logits], ["logits"])
    graph.output("logits", np.float32, ["output_rows", vocabulary])


def _head(build: _Build, normal: str) -> str:
    graph, head = build.graph, build.model.head
    if head is None and build.precision in ("fp32", "fp16"):
        table = stored(graph, build.model.embedding, build.precision, label="embedding")
        return graph.apply("Gemm", normal, table, transB=1, label="head")
    weights = LinearWeights(build.model.embedding.T) if head is None else head
    if build.precision == "int4":
        weights = rounded_matrices(weights, bits=HEAD_BITS, block_size=HEAD_BLOCK_SIZE)
    zero_points = row_zero_points(graph, normal) if build.precision == "int8" else ""
    return _linear(build, _prepare(build, normal, zero_points, "output_hidden"), weights, "head")


def _normalize(build: _Build, rows: str, weight: Floats, label: str) -> str:
    scale = build.graph.constant(weight, np.float32, label=f"{label}_weight")
    epsilon = build.model.norm_epsilon
    return build.graph.apply("RMSNormalization", rows, scale, axis=-1, epsilon=epsilon, label=label)


def _prepare(build: _Build, rows: str, zero_points: str, label: str) -> str | QuantizedRows:
    """Rows as the linear layers of this precision read them, quantized once for all their readers."""
    if build.precision != "int8":
        return rows
    return quantize_rows(build.graph, rows, zero_points, label=f"{label}_rows")


def _linear(build: _Build, rows: str | QuantizedRows, layer: Linear, label: str) -> str:
    if isinstance(layer, FactorizedWeights):
        between = _linear(build, rows, layer.first, f"{label}_first")  # (rows, rank)
        zero_points = row_zero_points(build.graph, between) if build.precision == "int8" else ""
        return _linear(build, _prepare(build, between, zero_points, f"{label}_between"), layer.second, label)
    if isinstance(rows, QuantizedRows):
        return quantized_linear(build.graph, rows, layer, label=label)
    if build.precision == "fp32" or build.precision == "fp16":
        return float_linear(build.graph, rows, layer, precision=build.precision, label=label)
    if not isinstance(layer, BlockLinear):
        raise ValueError("an INT4 graph of float weights; quantize the model first (quantize_layers)")
    return block_linear(build.graph, rows, layer, label=label)
