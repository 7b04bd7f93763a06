"""The ragged graph of an encoder-decoder model's decoder: one step over all slots, whatever each brings.

Like the graph of a causal model (see `causal_graph`): linear layers see packed rows, attention sees each
slot's rows over caches that are bound in place, and the head sees the rows whose next token is asked for.

The decoder also attends to the source. `GroupQueryAttention` reads no more of a cache than it holds, which
`MultiHeadAttention` with lengths does not (half the time at a full cache, a fifth at a third of it), but it
is made for a text that grows: it writes the rows' own keys behind those it finds, and lets a row see what
stands before it. So rows bring a key of no meaning, their query, to the free places behind the source, and a
bias of minus infinity hides these places. What a row gets is exact, for any number of rows a slot.
"""

from dataclasses import dataclass, replace

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
from triton_rag_export.graph.encoder_decoder_model import (
    Attention,
    EncoderDecoderModel,
    TransformerLayer,
)
from triton_rag_export.graph.factors import Linear
from triton_rag_export.graph.head_filling import with_filled_heads
from triton_rag_export.graph.linear import (
    LinearWeights,
    Precision,
    row_zero_points,
    stored,
)
from triton_rag_export.graph.onnx_builder import MICROSOFT, GraphBuilder
from triton_rag_export.graph.relative_biases import RelativeBiases, target_biases
from triton_rag_export.graph.side_by_side import linear_side_by_side

OPSET = 23


@dataclass(frozen=True, slots=True)
class _Step:
    """Names of what every layer's attention reads."""

    to_slots: str
    to_rows: str
    last_positions: str
    query_lengths: str
    capacity: str
    source_ends: str
    source_capacity: str
    source_mask: str
    biases: RelativeBiases


def build_decoder_step_graph(model: EncoderDecoderModel, *, precision: Precision) -> GraphBuilder:
    """Build the graph of one step.

    Inputs, with R rows of all slots, B slots of L padded rows each, C the capacity of the caches, S that of
    the source caches, and O output rows: `token_ids` (R,) int64; `positions` (R,) int64, how many tokens come
    before each row; `to_slots` (B, L) int64, which row stands at each place (any row where padded); `to_rows`
    (R,) int64, at which place of the flattened (B * L,) each row stands; `output_rows` (O,) int64;
    `last_positions` (B,) int32, tokens in the cache after the step minus one, and 0 for a slot without rows;
    `query_lengths` (B,) int32, the slot's rows; `capacity` () int32, always C; `source_lengths` (B,) int32;
    `source_capacity` () int32, always S; for each layer `past_key_<layer>` and `past_value_<layer>`
    (B, heads, C, head_size), `past_cross_key_<layer>` and `past_cross_value_<layer>`
    (B, heads, S, head_size). A source takes at most S - L places.

    Outputs: `logits` (O, vocabulary); `present_...` for each `past_...`, to be
    bound to the same buffer.

    Args:
        model: the model.
        precision: "fp32"; "fp16", weights stored in half the bytes and computed in FP32 on a CPU; "int8".
    """
    graph = GraphBuilder("decoder_step", opset=OPSET)
    token_ids = graph.input("token_ids", np.int64, ["rows"])
    positions = graph.input("positions", np.int64, ["rows"])
    step = _step_inputs(graph, positions)
    output_rows = graph.input("output_rows", np.int64, ["output_rows"])

    def own_positions(table: str) -> str:
        return graph.apply("Gather", table, positions, axis=0, label="own_positions")

    hidden = embed(graph, model.decoder, precision, token_ids, own_positions)  # (rows, hidden)
    zero_points = row_zero_points(graph, hidden) if precision == "int8" else ""
    build = BlockBuild(graph, model, precision, zero_points)
    for index, layer in enumerate(model.decoder.layers):
        with graph.scope(f"decoder_{index}"):
            hidden = _layer(build, step, layer, index, hidden)
    _predict(build, graph.apply("Gather", hidden, output_rows, axis=0, label="output_hidden"))
    return graph


def _step_inputs(graph: GraphBuilder, positions: str) -> _Step:
    to_slots = graph.input("to_slots", np.int64, ["slots", "longest"])
    query_lengths = graph.input("query_lengths", np.int32, ["slots"])
    capacity = graph.input("capacity", np.int32, [])
    source_lengths = graph.input("source_lengths", np.int32, ["slots"])
    source_capacity = graph.input("source_capacity", np.int32, [])
    behind = graph.apply("Add", source_lengths, query_lengths)
    last = graph.apply("Sub", behind, graph.constant(1, np.int32))
    return _Step(
        to_slots=to_slots,
        to_rows=graph.input("to_rows", np.int64, ["rows"]),
        last_positions=graph.input("last_positions", np.int32, ["slots"]),
        query_lengths=query_lengths,
        capacity=capacity,
        source_ends=graph.apply("Max", last, graph.constant(0, np.int32), label="source_ends"),
        source_capacity=source_capacity,
        source_mask=_source_mask(graph, source_lengths, source_capacity, to_slots),
        biases=target_biases(graph, positions, to_slots, capacity),
    )


def _source_mask(graph: GraphBuilder, lengths: str, capacity: str, to_slots: str) -> str:
    """Zero at places of the source, minus infinity behind it, (slots, 1, longest, S)."""
    places = graph.apply("Range", graph.constant(0, np.int32), capacity, graph.constant(1, np.int32))
    by_slot = graph.apply("Unsqueeze", lengths, graph.constant([1, 2, 3], np.int64))
    is_source = graph.apply("Less", places, by_slot)  # (slots, 1, 1, S)
    hidden = graph.constant(-np.inf, np.float32)
    mask = graph.apply("Where", is_source, graph.constant(0, np.float32), hidden)
    longest = graph.apply("Shape", to_slots, start=1, end=2)
    one = graph.constant([1], np.int64)
    shape = graph.apply("Concat", one, one, longest, one, axis=0)
    return graph.apply("Expand", mask, shape, label="source_mask")


def _layer(build: BlockBuild, step: _Step, layer: TransformerLayer, index: int, hidden: str) -> str:
    def write(rows: str) -> str:
        return _attend_to_target(build, step, with_filled_heads(layer.attention), index, rows)

    def transform(rows: str) -> str:
        return feed_forward(build, layer.feed_forward, rows)

    hidden = residual(build, hidden, layer.attention_norm, "attention", write)
    cross, cross_norm = layer.cross_attention, layer.cross_attention_norm
    if cross is not None and cross_norm is not None:
        reading = with_filled_heads(cross)

        def read(rows: str) -> str:
            return _attend_to_source(build, step, reading, index, rows)

        hidden = residual(build, hidden, cross_norm, "cross_attention", read)
    return residual(build, hidden, layer.feed_forward_norm, "feed_forward", transform)


def _attend_to_target(build: BlockBuild, step: _Step, attention: Attention, index: int, rows: str) -> str:
    """Attention over what the slot has written so far: (rows, hidden) to (rows, hidden)."""
    graph = build.graph
    inputs = prepared(build, rows, "attention")

    def project(weights: Linear, label: str) -> str:
        return linear(build, inputs, weights, label)

    layers = (attention.query, attention.key, attention.value)
    mixed = linear_side_by_side(graph, layers, project, "query_key_value")
    padded = graph.apply("Gather", mixed, step.to_slots, axis=0, label="padded")  # (slots, longest, ·)
    attended = _group_query_attention(
        graph,
        attention,
        [padded, "", ""],
        [f"key_{index}", f"value_{index}"],
        [step.last_positions, step.capacity],
        step.biases.of(attention.bias),
        step.query_lengths,
    )
    return _project(build, step, attention, attended, "attention_output")


def _attend_to_source(build: BlockBuild, step: _Step, attention: Attention, index: int, rows: str) -> str:
    """Attention over the slot's source: (rows, hidden) to (rows, hidden)."""
    graph = build.graph
    queries = linear(build, prepared(build, rows, "cross_attention"), attention.query, "cross_query")
    padded = graph.apply("Gather", queries, step.to_slots, axis=0, label="padded")  # (slots, longest, ·)
    attended = _group_query_attention(
        graph,
        attention,
        [padded, padded, padded],
        [f"cross_key_{index}", f"cross_value_{index}"],
        [step.source_ends, step.source_capacity],
        step.source_mask,
        step.query_lengths,
    )
    return _project(build, step, attention, attended, "cross_attention_output")


def _group_query_attention(
    graph: GraphBuilder,
    attention: Attention,
    rows: list[str],
    caches: list[str],
    lengths: list[str],
    bias: str,
    query_lengths: str,
) -> str:
    past, present = ([f"{time}_{name}" for name in caches] for time in ("past", "present"))
    capacity = "source_capacity" if caches[0].startswith("cross") else "capacity"
    shape: list[int | str] = ["slots", attention.heads, capacity, attention.head_size]
    for name in past:
        graph.input(name, np.float32, shape)
    attended = f"attended_{caches[0]}"
    graph.apply_named(
        "GroupQueryAttention",
        [*rows, *past, *lengths, "", "", "", bias, *[""] * 5, query_lengths],
        [attended, *present],
        domain=MICROSOFT,
        num_heads=attention.heads,
        kv_num_heads=attention.heads,
        scale=attention.scale,
    )
    for name in present:
        graph.output(name, np.float32, shape)
    return attended


def _project(build: BlockBuild, step: _Step, attention: Attention, attended: str, label: str) -> str:
    """Bring slots back to packed rows and mix their heads: (slots, longest, ·) to (rows, hidden)."""
    graph = build.graph
    width = attention.heads * attention.head_size
    flat = graph.apply("Reshape", attended, graph.constant([-1, width], np.int64))
    back = graph.apply("Gather", flat, step.to_rows, axis=0, label="attended_rows")
    return linear(build, prepared(build, back, label), attention.output, label)


def _predict(build: BlockBuild, hidden: str) -> None:
    """Logits of the output rows; the caller finds the largest, faster than ArgMax (see `causal_graph`)."""
    graph, model = build.graph, build.model
    logits = _head(build, normalize(graph, hidden, model.decoder.final_norm, "final_norm"))
    if model.head_bias is not None:
        logits = graph.apply("Add", logits, graph.constant(model.head_bias, np.float32, label="head_bias"))
    graph.apply_named("Identity", [logits], ["logits"])
    graph.output("logits", np.float32, ["output_rows", model.vocabulary_size])


def _head(build: BlockBuild, rows: str) -> str:
    graph, table, head = build.graph, build.model.decoder.embedding, build.model.head
    if build.precision == "int8":
        build = replace(build, zero_points=row_zero_points(graph, rows))
    elif head is None:
        weight = stored(graph, table, build.precision, label="embedding")
        return graph.apply("Gemm", rows, weight, transB=1, label="head")
    weights = LinearWeights(table.T) if head is None else head
    return linear(build, prepared(build, rows, "output_hidden"), weights, "head")
