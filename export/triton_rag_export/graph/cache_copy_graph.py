"""The graph that copies tokens of one slot's caches to another slot, on the device where they lie."""

from collections.abc import Sequence

import numpy as np

from triton_rag_export.graph.attention_nodes import Caches
from triton_rag_export.graph.cache_lines import KINDS, lines_of, store_lines
from triton_rag_export.graph.causal_model import CacheKind
from triton_rag_export.graph.onnx_builder import GraphBuilder


def build_cache_copy_graph(
    what: str, kv_heads: Sequence[int], head_size: int, cache: CacheKind
) -> GraphBuilder:
    """Build the graph.

    Inputs: `source_places` and `target_places` (tokens,) int64, at least one each; for each layer the tables
    `key_<what>_<layer>` and `value_<what>_<layer>`, (slots * capacity * kv_heads, head_size). Outputs:
    `present_...` of each table, to be bound to the same memory.

    Args:
        what: "cache" or "cross".
        kv_heads: heads of each layer's cache.
        head_size: channels of a head.
        cache: what keys and values are kept in.
    """
    graph = GraphBuilder(f"copy_{what}", device="cuda")
    source = graph.input("source_places", np.int64, ["tokens"])
    target = graph.input("target_places", np.int64, ["tokens"])
    flat = graph.constant([-1], np.int64)
    for index, heads in enumerate(kv_heads):
        caches = Caches.declare(graph, f"{what}_{index}", heads, head_size, cache)
        read = graph.apply("Reshape", lines_of(graph, source, heads), flat)
        written = lines_of(graph, target, heads)
        for table in (caches.keys, caches.values):
            lines = graph.apply("Gather", table, read, axis=0)
            store_lines(graph, lines, written, table, head_size, KINDS[caches.bits])
    return graph
