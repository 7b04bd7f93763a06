"""Attention for a GPU: what the nodes of `attention_nodes` are for a CPU, in operators of ONNX.

Rows of a step are packed, one slot's behind another's; attention wants them side by side, padded to the
longest share. A layer scatters its new keys and values into the caches, tables that are input and output at
once (`gathered_caches` of the generator), gathers what the slots of the step hold, as much as the longest of
them does, and multiplies. All of it is done in what the caches keep, FP32 or FP16.

Physics: what is gathered is written and read once more than a fused operator would. ONNX Runtime's own,
`GroupQueryAttention` and `PagedAttention`, want FP16 or have no CPU kernel, so that they could not be checked
here.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from triton_rag_export.graph.cache_lines import KINDS, lines_of, lines_to_read, store_lines
from triton_rag_export.graph.gpu_linear import FLOATS, cast_node, norm_node
from triton_rag_export.graph.linear import Floats
from triton_rag_export.graph.linear_node import Norm
from triton_rag_export.graph.onnx_builder import GraphBuilder
from triton_rag_export.graph.whole_attention import biases_at, split_heads

if TYPE_CHECKING:
    from triton_rag_export.graph.attention_nodes import AttentionShape, Caches


@dataclass(frozen=True, slots=True)
class GatheredStep:
    """Names of what says which rows of a step belong to whom, and what they see.

    Attributes:
        positions: (rows,) int64, tokens of its slot before each row.
        places: (rows,) int64, where each row's keys and values go.
        to_shares: (shares, longest) int64, the row at each place of the padded shares.
        to_rows: (rows,) int64, where each row stands in the padded shares, flattened.
        first_places: (shares,) int64, the first place of each share's slot.
        last_columns: (shares,) int64, the last key that each share sees.
        columns: (keys,) int64, numbers of the keys that are read of each slot.
        made: what layers share, by what it is.
    """

    positions: str
    places: str
    to_shares: str
    to_rows: str
    first_places: str
    last_columns: str
    columns: str
    made: dict[tuple[str | int, ...], str] = field(default_factory=dict)

    @classmethod
    def declare(cls, graph: GraphBuilder, positions: str = "") -> "GatheredStep":
        """Declare them as inputs of a graph, which may have the positions already."""

        def declared(name: str, *shape: str) -> str:
            return graph.input(name, np.int64, shape)

        return cls(
            positions=positions or declared("positions", "rows"),
            places=declared("places", "rows"),
            to_shares=declared("to_shares", "shares", "longest"),
            to_rows=declared("to_rows", "rows"),
            first_places=declared("first_places", "shares"),
            last_columns=declared("last_columns", "shares"),
            columns=declared("columns", "keys"),
        )

    def once(self, key: tuple[str | int, ...], make: Callable[[], str]) -> str:
        """What `make` adds to the graph, made for the first layer that asks."""
        if key not in self.made:
            self.made[key] = make()
        return self.made[key]


@dataclass(frozen=True, slots=True)
class GatheredSource:
    """Names of where the sources of a step's shares lie.

    Attributes:
        first_places: (shares,) int64, the first place of each share's source.
        last_columns: (shares,) int64, the last key of each source.
        columns: (source_keys,) int64, numbers of the keys that are read of each source.
    """

    first_places: str
    last_columns: str
    columns: str

    @classmethod
    def declare(cls, graph: GraphBuilder) -> "GatheredSource":
        """Declare them as inputs of a graph."""
        return cls(
            graph.input("first_source_places", np.int64, ["shares"]),
            graph.input("last_source_columns", np.int64, ["shares"]),
            graph.input("source_columns", np.int64, ["source_keys"]),
        )


def gathered_attention(
    graph: GraphBuilder,
    rows: str,
    step: GatheredStep,
    shape: "AttentionShape",
    caches: "Caches",
    rotary: tuple[str, str] = ("", ""),
    bias: str = "",
) -> str:
    """Attention of each slot's new rows over its cache; arguments as those of `cached_attention_node`."""
    kind = KINDS[caches.bits]
    widths = shape.heads, shape.kv_heads, shape.kv_heads
    parts = split_heads(graph, cast_node(graph, rows, kind), shape, widths)
    queries = _placed(graph, parts[0], step, shape, shape.heads, shape.query_norm, rotary, kind)
    keys = _placed(graph, parts[1], step, shape, shape.kv_heads, shape.key_norm, rotary, kind)
    places = step.once(("written", shape.kv_heads), lambda: lines_of(graph, step.places, shape.kv_heads))
    written_keys = store_lines(graph, keys, places, caches.keys, shape.head_size, kind)
    written_values = store_lines(graph, parts[2], places, caches.values, shape.head_size, kind)
    read = step.once(
        ("read", shape.kv_heads),
        lambda: lines_to_read(graph, step.first_places, step.last_columns, step.columns, shape.kv_heads),
    )
    return _attend(
        graph,
        queries,
        step,
        shape,
        gathered=(graph.apply("Gather", written_keys, read), graph.apply("Gather", written_values, read)),
        is_seen=step.once(("seen",), lambda: _seen(graph, step)),
        bias=_biases(graph, step, bias, shape.heads, kind),
        kind=kind,
    )


def gathered_cross_attention(
    graph: GraphBuilder,
    rows: str,
    step: GatheredStep,
    source: GatheredSource,
    shape: "AttentionShape",
    caches: "Caches",
) -> str:
    """Attention of each slot's rows over its source; arguments as those of `cross_attention_node`."""
    kind = KINDS[caches.bits]
    read = step.once(
        ("source", shape.kv_heads),
        lambda: lines_to_read(
            graph, source.first_places, source.last_columns, source.columns, shape.kv_heads
        ),
    )

    def within() -> str:
        last = graph.apply("Unsqueeze", source.last_columns, graph.constant([1, 2, 3], np.int64))
        return graph.apply("LessOrEqual", source.columns, last, label="is_source")  # (shares, 1, 1, keys)

    return _attend(
        graph,
        cast_node(graph, rows, kind),
        step,
        shape,
        gathered=(graph.apply("Gather", caches.keys, read), graph.apply("Gather", caches.values, read)),
        is_seen=step.once(("source_seen",), within),
        bias="",
        kind=kind,
    )


def _placed(
    graph: GraphBuilder,
    rows: str,
    step: GatheredStep,
    shape: "AttentionShape",
    heads: int,
    norm: Floats | None,
    rotary: tuple[str, str],
    kind: str,
) -> str:
    """Heads side by side, normalized and turned by their position: (rows, heads * head_size)."""
    width = heads * shape.head_size
    if norm is not None:
        by_head = graph.apply("Reshape", rows, graph.constant([-1, heads, shape.head_size], np.int64))
        normed = norm_node(graph, by_head, Norm(norm, shape.epsilon), kind=kind, label="head_norm")
        rows = graph.apply("Reshape", normed, graph.constant([-1, width], np.int64))
    if rotary[0]:
        axis = graph.constant([1], np.int64)
        cosines, sines = (step.once((each, kind), partial(cast_node, graph, each, kind)) for each in rotary)
        positions = step.once(("positions",), lambda: graph.apply("Unsqueeze", step.positions, axis))
        one_each = graph.apply("Unsqueeze", rows, axis)  # (rows, 1, heads * head_size)
        turned = graph.apply("RotaryEmbedding", one_each, cosines, sines, positions, num_heads=heads)
        rows = graph.apply("Reshape", turned, graph.constant([-1, width], np.int64))
    return rows


def _row_positions(graph: GraphBuilder, step: GatheredStep) -> str:
    """The position of each row of the padded shares, (shares, 1, longest, 1)."""

    def made() -> str:
        padded = graph.apply("Gather", step.positions, step.to_shares)
        return graph.apply("Unsqueeze", padded, graph.constant([1, 3], np.int64), label="row_positions")

    return step.once(("row_positions",), made)


def _seen(graph: GraphBuilder, step: GatheredStep) -> str:
    """Whether a row sees a key: those up to its own, (shares, 1, longest, keys)."""
    return graph.apply("LessOrEqual", step.columns, _row_positions(graph, step), label="is_seen")


def _biases(graph: GraphBuilder, step: GatheredStep, by_offset: str, heads: int, kind: str) -> str:
    """What a head adds to the score of a key by its distance, (shares, heads, longest, keys); "" for none."""
    if not by_offset:
        return ""

    def made() -> str:
        offsets = graph.apply("Sub", step.columns, _row_positions(graph, step))
        return biases_at(graph, offsets, by_offset, heads, kind)

    return step.once(("biases", by_offset, kind), made)


def _attend(
    graph: GraphBuilder,
    queries: str,
    step: GatheredStep,
    shape: "AttentionShape",
    *,
    gathered: tuple[str, str],
    is_seen: str,
    bias: str,
    kind: str,
) -> str:
    """Attention of packed rows over gathered keys and values, (shares, kv_heads, keys, head_size)."""
    heads, groups, size = shape.heads, shape.kv_heads, shape.head_size

    def reshaped(value: str, *dimensions: int) -> str:
        return graph.apply("Reshape", value, graph.constant(dimensions, np.int64))

    if shape.scale != 1.0:
        queries = graph.apply("Mul", queries, graph.constant(shape.scale, FLOATS[kind]))
    padded = graph.apply("Gather", queries, step.to_shares)  # (shares, longest, heads * size)
    by_head = graph.apply("Transpose", reshaped(padded, 0, 0, heads, size), perm=(0, 2, 1, 3))
    by_group = reshaped(by_head, 0, groups, -1, size)  # the query heads of a key head under one another
    turned = graph.apply("Transpose", gathered[0], perm=(0, 1, 3, 2))
    scores = reshaped(graph.apply("MatMul", by_group, turned), 0, heads, -1, 0)
    if bias:
        scores = graph.apply("Add", scores, bias)
    hidden = graph.constant(-np.inf, FLOATS[kind])
    shares = graph.apply("Softmax", graph.apply("Where", is_seen, scores, hidden), axis=-1)
    mixed = graph.apply("MatMul", reshaped(shares, 0, groups, -1, 0), gathered[1])
    in_rows = graph.apply("Transpose", reshaped(mixed, 0, heads, -1, size), perm=(0, 2, 1, 3))
    return graph.apply("Gather", reshaped(in_rows, -1, heads * size), step.to_rows, label="attended")
