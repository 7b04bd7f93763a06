"""Nodes of our attention operators over packed rows, with caches that they write in place.

`CachedAttention` writes the new keys and values of all slots into their caches and attends over them;
`SourceAttention`, `StoreSource` and `CrossAttention` are the encoder's and what the decoder sees of it. A
row's result has the same bits whatever rows stand beside it, and however a text was cut into steps. In a
graph for a GPU the same functions add standard operators (`gathered_attention`, `whole_attention`).
"""

from dataclasses import dataclass

import numpy as np
from generation.blocked_caches import DTYPES, LANES

from triton_rag_export.graph.cache_lines import KINDS, lines_of, store_lines
from triton_rag_export.graph.gathered_attention import (
    GatheredSource,
    GatheredStep,
    gathered_attention,
    gathered_cross_attention,
)
from triton_rag_export.graph.gpu_linear import columns
from triton_rag_export.graph.linear import Floats
from triton_rag_export.graph.onnx_builder import KERNELS, GraphBuilder, Shape, without_trailing
from triton_rag_export.graph.whole_attention import whole_attention


@dataclass(frozen=True, slots=True)
class StepInputs:
    """Names of what says which rows of a step belong to whom.

    Attributes:
        slots: (shares,) int32, the slot of each share of the rows.
        pasts: (shares,) int32, tokens of its cache before its rows.
        lengths: (shares,) int32, its rows.
    """

    slots: str
    pasts: str
    lengths: str

    @classmethod
    def declare(cls, graph: GraphBuilder) -> "StepInputs":
        """Declare them as inputs of a graph."""
        return cls(*(graph.input(name, np.int32, ["shares"]) for name in ("slots", "pasts", "lengths")))


@dataclass(frozen=True, slots=True)
class Caches:
    """Names of a layer's caches, which are inputs of the graph and written in place.

    Attributes:
        keys: (slots, kv_heads, positions / 16, head_size, 16); for a GPU (slots * positions * kv_heads,
            head_size).
        values: (slots, kv_heads, positions, head_size rounded up to 16); for a GPU as keys.
        bits: of a number: 32, 16, or 8 with scales.
    """

    keys: str
    values: str
    bits: int

    @classmethod
    def declare(
        cls, graph: GraphBuilder, name: str, kv_heads: int, head_size: int, kind: str = "fp32"
    ) -> "Caches":
        """Declare `key_<name>` and `value_<name>` as inputs of a graph; the kind is a key of `DTYPES`."""
        dtype, width = DTYPES[kind], -(-head_size // LANES) * LANES
        shapes: tuple[Shape, Shape] = (
            ["cached_slots", kv_heads, "blocks", head_size, LANES],
            ["cached_slots", kv_heads, "capacity", width],
        )
        if graph.device == "cuda":
            shapes = [f"key_{name}_lines", head_size], [f"value_{name}_lines", head_size]
        return cls(
            graph.input(f"key_{name}", dtype, shapes[0]),
            graph.input(f"value_{name}", dtype, shapes[1]),
            bits=8 * np.dtype(dtype).itemsize,
        )


@dataclass(frozen=True, slots=True, eq=False)
class AttentionShape:
    """The widths of an attention, and what is done to queries and keys before it.

    Attributes:
        heads: of queries.
        kv_heads: of keys and values; each serves `heads / kv_heads` query heads.
        head_size: channels of a head.
        scale: factor on the product of query and key.
        epsilon: of the normalizations.
        query_norm: weight of a normalization of each query head, (head_size,); None without one.
        key_norm: the same for keys.
    """

    heads: int
    kv_heads: int
    head_size: int
    scale: float
    epsilon: float = 0.0
    query_norm: Floats | None = None
    key_norm: Floats | None = None


def declare_step(graph: GraphBuilder, positions: str = "") -> StepInputs | GatheredStep:
    """Declare what says which rows of a step belong to whom, as the graph's device wants it.

    Args:
        graph: the graph.
        positions: name of (rows,) int64, tokens before each row, where the graph has it already.
    """
    return StepInputs.declare(graph) if graph.device == "cpu" else GatheredStep.declare(graph, positions)


def declare_sources(graph: GraphBuilder) -> str | GatheredSource:
    """Declare where the sources of a step's shares lie, as the graph's device wants it."""
    if graph.device == "cpu":
        return graph.input("source_lengths", np.int32, ["shares"])
    return GatheredSource.declare(graph)


def cached_attention_node(
    graph: GraphBuilder,
    rows: str,
    step: StepInputs | GatheredStep,
    shape: AttentionShape,
    *,
    caches: Caches,
    rotary: tuple[str, str] = ("", ""),
    cache_scales: tuple[str, str] = ("", ""),
    bias: str = "",
    label: str = "attended",
) -> str:
    """Attention of each slot's new rows over its cache, written in place: (rows, heads * head_size).

    Args:
        graph: the graph.
        rows: queries, keys and values side by side, (rows, (heads + 2 * kv_heads) * head_size).
        step: whose rows these are.
        shape: widths and normalizations.
        caches: of the layer.
        rotary: names of cosines and sines, (positions, head_size / 2); none without rotary positions.
        cache_scales: names of the scales of a cache of bytes, (kv_heads, head_size).
        bias: name of (heads, 2 * reach + 1), what scores get for a key d places behind its row, at reach + d;
            farther keys get the last entry on their side.
        label: name of the node.
    """
    if isinstance(step, GatheredStep):
        return gathered_attention(graph, rows, step, shape, caches, rotary, bias)

    def optional(values: Floats | None, name: str) -> str:
        return "" if values is None else graph.constant(values, np.float32, label=name)

    norms = optional(shape.query_norm, "query_norm"), optional(shape.key_norm, "key_norm")
    shares = step.slots, step.pasts, step.lengths
    inputs = [rows, caches.keys, caches.values, *shares, *rotary, *norms, *cache_scales, bias]
    return graph.apply(
        "CachedAttention",
        *without_trailing(inputs),
        domain=KERNELS,
        label=label,
        heads=shape.heads,
        kv_heads=shape.kv_heads,
        head_size=shape.head_size,
        scale=shape.scale,
        epsilon=shape.epsilon,
        cache_bits=caches.bits,
    )


def source_attention_node(
    graph: GraphBuilder,
    rows: str,
    shape: AttentionShape,
    *,
    bias: str = "",
    lengths: str = "",
    positions: str = "",
) -> str:
    """Attention of all tokens of a source to all of the same, (tokens, heads * head_size).

    Args:
        graph: the graph.
        rows: queries, keys and values side by side, (tokens, 3 * heads * head_size).
        shape: widths; as many heads of keys as of queries.
        bias: as that of `cached_attention_node`.
        lengths: name of (sources,) int32, the tokens of sources that lie one behind another; "": all are one.
            For a CPU alone.
        positions: name of (tokens,) int64, tokens before each; for a GPU alone.
    """
    if graph.device == "cuda":
        return whole_attention(graph, rows, positions, shape, bias)
    return graph.apply(
        "SourceAttention",
        *without_trailing([rows, bias, lengths]),
        domain=KERNELS,
        label="attended",
        heads=shape.heads,
        head_size=shape.head_size,
        scale=shape.scale,
    )


def store_source_node(
    graph: GraphBuilder, rows: str, shape: AttentionShape, caches: Caches, place: str, output: str
) -> None:
    """Write a source's keys and values into a slot, and declare what the graph gives then.

    Args:
        graph: the graph.
        rows: keys and values side by side, (tokens, 2 * heads * head_size).
        shape: widths; as many heads of keys as of queries.
        caches: of the layer, not in bytes.
        place: name of (1,) int32, the slot; for a GPU of (tokens,) int64, where each token goes.
        output: name of the result, (1, 1), how many tokens were written; an output of the graph, since
            nobody else reads it. For a GPU the caches themselves are.
    """
    if graph.device == "cuda":
        width, kind = shape.heads * shape.head_size, KINDS[caches.bits]
        lines = lines_of(graph, place, shape.heads)
        for number, table in enumerate((caches.keys, caches.values)):
            part = columns(graph, rows, number * width, (number + 1) * width)
            store_lines(graph, part, lines, table, shape.head_size, kind)
        return
    graph.apply(
        "StoreSource",
        rows,
        caches.keys,
        caches.values,
        place,
        domain=KERNELS,
        output=output,
        heads=shape.heads,
        head_size=shape.head_size,
        cache_bits=caches.bits,
    )
    graph.output(output, np.float32, [1, 1])


def cross_attention_node(
    graph: GraphBuilder,
    rows: str,
    step: StepInputs | GatheredStep,
    sources: str | GatheredSource,
    shape: AttentionShape,
    caches: Caches,
) -> str:
    """Attention of each slot's rows over its source, (rows, heads * head_size).

    Args:
        graph: the graph.
        rows: queries, (rows, heads * head_size).
        step: whose rows these are.
        sources: name of (shares,) int32, tokens of each share's source; for a GPU where they lie.
        shape: widths; as many heads of keys as of queries.
        caches: what `store_source_node` wrote.

    Raises:
        ValueError: inputs for different devices.
    """
    if isinstance(step, GatheredStep) and isinstance(sources, GatheredSource):
        return gathered_cross_attention(graph, rows, step, sources, shape, caches)
    if isinstance(step, GatheredStep) or isinstance(sources, GatheredSource):
        raise ValueError("inputs of a step for one device and of sources for another")
    return graph.apply(
        "CrossAttention",
        rows,
        caches.keys,
        caches.values,
        step.slots,
        step.lengths,
        sources,
        domain=KERNELS,
        label="cross_attended",
        heads=shape.heads,
        head_size=shape.head_size,
        scale=shape.scale,
        cache_bits=caches.bits,
    )
