"""Relative position biases inside a graph: looked up once for all layers that share a table.

The bias depends on how far a key stands from a query alone, so a graph needs the offsets of its queries and
keys, and one lookup for each table: a model whose layers share one gets one lookup, and pruned layers with
tables of their own get theirs.
"""

from collections.abc import Callable

import numpy as np

from triton_rag_export.graph.encoder_decoder_model import RelativeBias
from triton_rag_export.graph.onnx_builder import GraphBuilder

_ONNX_INT64 = 7


class RelativeBiases:
    """The biases that attention over one set of queries and keys adds to its scores.

    Args:
        graph: gathers the nodes.
        offsets: builds the offset of each key from each query, int64 of any shape; called at most once.
        arrange: brings (heads, *shape of the offsets) into the order that attention wants.
    """

    def __init__(
        self, graph: GraphBuilder, offsets: Callable[[], str], arrange: Callable[[str], str]
    ) -> None:
        self._graph = graph
        self._offsets = offsets
        self._arrange = arrange
        self._built_offsets = ""
        self._found: dict[int, str] = {}

    def of(self, bias: RelativeBias | None) -> str:
        """The name of a bias, arranged; empty without one."""
        if bias is None:
            return ""
        if id(bias) not in self._found:
            self._found[id(bias)] = self._arrange(self._looked_up(bias))
        return self._found[id(bias)]

    def _looked_up(self, bias: RelativeBias) -> str:
        graph = self._graph
        if not self._built_offsets:
            self._built_offsets = self._offsets()
        low, high = (graph.constant(reach, np.int64) for reach in (-bias.reach, bias.reach))
        columns = graph.apply("Add", graph.apply("Clip", self._built_offsets, low, high), high)
        table = graph.constant(bias.by_offset, np.float32, label="relative_bias_table")
        return graph.apply("Gather", table, columns, axis=1, label="relative_bias")


def source_biases(graph: GraphBuilder, count: str) -> RelativeBiases:
    """The biases of all pairs of `count` (1,) tokens, each (1, heads, count, count)."""

    def offsets() -> str:
        places = _places(graph, graph.apply("Squeeze", count))
        queries = graph.apply("Unsqueeze", places, graph.constant([1], np.int64))
        return graph.apply("Sub", places, queries, label="offsets")

    def arrange(by_head: str) -> str:
        return graph.apply("Unsqueeze", by_head, graph.constant([0], np.int64))

    return RelativeBiases(graph, offsets, arrange)


def target_biases(graph: GraphBuilder, positions: str, to_slots: str, capacity: str) -> RelativeBiases:
    """The biases of each slot's rows over its cache, each (slots, heads, longest, capacity).

    Args:
        graph: gathers the nodes.
        positions: (rows,) how many tokens come before each row.
        to_slots: (slots, longest) which row stands at each place.
        capacity: () int32, places of a cache.
    """

    def offsets() -> str:
        queries = graph.apply("Gather", positions, to_slots, axis=0)
        by_row = graph.apply("Unsqueeze", queries, graph.constant([2], np.int64))
        keys = _places(graph, graph.apply("Cast", capacity, to=_ONNX_INT64))
        return graph.apply("Sub", keys, by_row, label="offsets")  # (slots, longest, capacity)

    def arrange(by_head: str) -> str:
        return graph.apply("Transpose", by_head, perm=[1, 0, 2, 3])

    return RelativeBiases(graph, offsets, arrange)


def _places(graph: GraphBuilder, end: str) -> str:
    return graph.apply("Range", graph.constant(0, np.int64), end, graph.constant(1, np.int64))
