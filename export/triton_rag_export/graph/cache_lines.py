"""Nodes that write and read caches as tables with a line for each head of each place (`gathered_caches`)."""

import numpy as np

from triton_rag_export.graph.gpu_linear import FLOATS, cast_node
from triton_rag_export.graph.onnx_builder import GraphBuilder

KINDS = {32: "fp32", 16: "fp16"}
"""What a table keeps, by its bits a number."""


def lines_of(graph: GraphBuilder, places: str, kv_heads: int) -> str:
    """The lines of places, (places * kv_heads, 1), heads of a place under one another."""
    first = graph.apply("Mul", places, graph.constant(kv_heads, np.int64))
    by_place = graph.apply("Unsqueeze", first, graph.constant([1], np.int64))
    lines = graph.apply("Add", by_place, graph.constant(np.arange(kv_heads), np.int64))
    return graph.apply("Reshape", lines, graph.constant([-1, 1], np.int64), label="lines")


def lines_to_read(graph: GraphBuilder, first: str, last: str, numbers: str, kv_heads: int) -> str:
    """The lines that are read of each share's slot, (shares, kv_heads, keys).

    Args:
        graph: the graph.
        first: name of (shares,), the first place of each slot.
        last: name of (shares,), the last key that each share sees; read again where others see more.
        numbers: name of (keys,), numbers of the keys that are read of each slot.
        kv_heads: lines a place.
    """
    axis = graph.constant([1], np.int64)
    within = graph.apply("Min", numbers, graph.apply("Unsqueeze", last, axis))  # (shares, keys)
    places = graph.apply("Add", graph.apply("Unsqueeze", first, axis), within)
    by_key = graph.apply("Mul", places, graph.constant(kv_heads, np.int64))
    heads = graph.constant(np.arange(kv_heads)[:, None], np.int64)
    return graph.apply("Add", graph.apply("Unsqueeze", by_key, axis), heads, label="read_lines")


def store_lines(graph: GraphBuilder, rows: str, lines: str, table: str, head_size: int, kind: str) -> str:
    """Write rows, (places, kv_heads * head_size), into lines of a table, an input of the graph.

    Returns:
        The name of the table afterwards, an output to be bound to the memory of the input: then nothing is
        copied.
    """
    by_line = graph.apply("Reshape", rows, graph.constant([-1, head_size], np.int64), label="by_line")
    as_kept = cast_node(graph, by_line, kind)
    written = graph.apply("ScatterND", table, lines, as_kept, output=f"present_{table}")
    return graph.output(written, FLOATS[kind], [f"{table}_lines", head_size])
