"""Attention of a whole source to itself for a GPU, in operators of ONNX.

One source a run, without padding or mask. Scores are (heads, tokens, tokens) for one layer at a time.
"""

from typing import TYPE_CHECKING

import numpy as np

from triton_rag_export.graph.gpu_linear import cast_node, columns
from triton_rag_export.graph.onnx_builder import GraphBuilder

if TYPE_CHECKING:
    from triton_rag_export.graph.attention_nodes import AttentionShape


def whole_attention(
    graph: GraphBuilder, rows: str, positions: str, shape: "AttentionShape", bias: str
) -> str:
    """Attention of all tokens of a source to all, in FP32; arguments as those of `source_attention_node`."""
    heads, size = shape.heads, shape.head_size
    by_head = [
        graph.apply(
            "Transpose", graph.apply("Reshape", part, graph.constant([-1, heads, size], np.int64)), perm=perm
        )
        for part, perm in zip(
            split_heads(graph, cast_node(graph, rows, "fp32"), shape, (heads, heads, heads)),
            ((1, 0, 2), (1, 2, 0), (1, 0, 2)),
            strict=True,
        )
    ]
    queries = graph.apply("Mul", by_head[0], graph.constant(shape.scale, np.float32))
    scores = graph.apply("MatMul", queries, by_head[1])  # (heads, tokens, tokens)
    if bias:
        columns_less_rows = graph.apply(
            "Sub", positions, graph.apply("Unsqueeze", positions, graph.constant([1], np.int64))
        )
        scores = graph.apply("Add", scores, biases_at(graph, columns_less_rows, bias, heads, "fp32"))
    mixed = graph.apply("MatMul", graph.apply("Softmax", scores, axis=-1), by_head[2])
    in_rows = graph.apply("Transpose", mixed, perm=(1, 0, 2))
    return graph.apply("Reshape", in_rows, graph.constant([-1, heads * size], np.int64), label="attended")


def split_heads(graph: GraphBuilder, rows: str, shape: "AttentionShape", heads: tuple[int, ...]) -> list[str]:
    """Rows of several widths that stand side by side."""
    ends = [int(end) * shape.head_size for end in np.cumsum(heads)]
    return [columns(graph, rows, start, end) for start, end in zip([0, *ends], ends, strict=False)]


def biases_at(graph: GraphBuilder, offsets: str, by_offset: str, heads: int, kind: str) -> str:
    """Biases by distance: offsets (..., 1, rows, keys) to (..., heads, rows, keys)."""
    width = graph.constant_shape(by_offset)[1]
    reach = graph.constant(width // 2, np.int64)
    least, most = (graph.constant(number, np.int64) for number in (0, width - 1))
    numbers = graph.apply("Max", graph.apply("Min", graph.apply("Add", offsets, reach), most), least)
    first = graph.constant((np.arange(heads) * width)[:, None, None], np.int64)
    flat = graph.apply("Reshape", cast_node(graph, by_offset, kind), graph.constant([-1], np.int64))
    return graph.apply("Gather", flat, graph.apply("Add", numbers, first), label="biases")
