"""Nodes of our attention operators over packed rows, with caches that they write in place.

`CachedAttention` writes the new keys and values of all slots into their caches and attends over them;
`SourceAttention`, `StoreSource` and `CrossAttention` are the encoder's and what the decoder sees of it. A
row's result has the same bits whatever rows stand beside it, and however a text was cut into steps.
"""

from dataclasses import dataclass

import numpy as np
from generation.blocked_caches import DTYPES, LANES

from triton_rag_export.graph.linear import Floats
from triton_rag_export.graph.onnx_builder import KERNELS, GraphBuilder, without_trailing


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
        keys: (slots, kv_heads, positions / 16, head_size, 16).
        values: (slots, kv_heads, positions, head_size rounded up to 16).
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
        return cls(
            graph.input(f"key_{name}", dtype, ["cached_slots", kv_heads, "blocks", head_size, LANES]),
            graph.input(f"value_{name}", dtype, ["cached_slots", kv_heads, "capacity", width]),
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


def cached_attention_node(
    graph: GraphBuilder,
    rows: str,
    step: StepInputs,
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
    graph: GraphBuilder, rows: str, shape: AttentionShape, *, bias: str = "", lengths: str = ""
) -> str:
    """Attention of all tokens of a source to all of the same, (tokens, heads * head_size).

    Args:
        graph: the graph.
        rows: queries, keys and values side by side, (tokens, 3 * heads * head_size).
        shape: widths; as many heads of keys as of queries.
        bias: as that of `cached_attention_node`.
        lengths: name of (sources,) int32, the tokens of sources that lie one behind another; "": all are one.
    """
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
    graph: GraphBuilder, rows: str, shape: AttentionShape, caches: Caches, slot: str, output: str
) -> None:
    """Write a source's keys and values into a slot.

    Args:
        graph: the graph.
        rows: keys and values side by side, (tokens, 2 * heads * head_size).
        shape: widths; as many heads of keys as of queries.
        caches: of the layer, not in bytes.
        slot: name of (1,) int32.
        output: name of the result, (1, 1), how many tokens were written; an output of the graph, since
            nobody else reads it.
    """
    graph.apply(
        "StoreSource",
        rows,
        caches.keys,
        caches.values,
        slot,
        domain=KERNELS,
        output=output,
        heads=shape.heads,
        head_size=shape.head_size,
        cache_bits=caches.bits,
    )


def cross_attention_node(
    graph: GraphBuilder,
    rows: str,
    step: StepInputs,
    source_lengths: str,
    shape: AttentionShape,
    caches: Caches,
) -> str:
    """Attention of each slot's rows over its source, (rows, heads * head_size).

    Args:
        graph: the graph.
        rows: queries, (rows, heads * head_size).
        step: whose rows these are.
        source_lengths: name of (shares,) int32, tokens of each share's source.
        shape: widths; as many heads of keys as of queries.
        caches: what `store_source_node` wrote.
    """
    return graph.apply(
        "CrossAttention",
        rows,
        caches.keys,
        caches.values,
        step.slots,
        step.lengths,
        source_lengths,
        domain=KERNELS,
        label="cross_attended",
        heads=shape.heads,
        head_size=shape.head_size,
        scale=shape.scale,
        cache_bits=caches.bits,
    )
