"""Nodes of what begins and ends an encoder of texts: from token ids to rows, and from rows to one vector a
text.

Tokens of all texts lie one behind another; `lengths` (texts,) int32 says where each text ends.
"""

from typing import Literal

import numpy as np

from triton_rag_export.graph.bert_weights import NormWeights
from triton_rag_export.graph.linear import Floats, LinearWeights, Precision, quantize_weight
from triton_rag_export.graph.linear_node import linear_node
from triton_rag_export.graph.onnx_builder import KERNELS, GraphBuilder, without_trailing

Pooling = Literal["mean", "cls"]


def text_embedding_node(
    graph: GraphBuilder,
    ids: str,
    lengths: str,
    *,
    words: Floats,
    positions: Floats,
    norm: NormWeights,
    epsilon: float,
    precision: Precision,
) -> str:
    """`norm(words[id] + positions[place in its text])`, (tokens, width).

    Args:
        graph: the graph.
        ids: name of (tokens,) int32.
        lengths: name of (texts,) int32.
        words: (vocabulary, width); in INT8 each word has its own scale.
        positions: (places, width).
        norm: the layer normalization.
        epsilon: added to its mean square.
        precision: how words are stored.
    """
    scales = ""
    if precision == "int8":
        table, scale = quantize_weight(words.T)  # (width, vocabulary), (vocabulary,)
        stored = graph.constant(table.T, label="words")
        scales = graph.constant(scale, np.float32, label="word_scales")
    else:
        stored = graph.constant(words, np.float16 if precision == "fp16" else np.float32, label="words")
    places = graph.constant(positions, np.float32, label="positions")
    weight, bias = (graph.constant(part, np.float32, label="norm") for part in (norm.scale, norm.bias))
    return graph.apply(
        "Embedding",
        *without_trailing([ids, lengths, stored, places, weight, bias, scales]),
        domain=KERNELS,
        label="embedded",
        weight_bits={"fp32": 32, "fp16": 16, "int8": 8}[precision],
        epsilon=epsilon,
    )


def pooling_node(
    graph: GraphBuilder, rows: str, lengths: str, pooling: Pooling, *, normalize: bool, output: str = ""
) -> str:
    """One vector of each text, (texts, width).

    Args:
        graph: the graph.
        rows: name of (tokens, width).
        lengths: name of (texts,) int32.
        pooling: "mean" of a text's rows, or "cls", its first row.
        normalize: whether vectors have length one.
        output: the name of the result; default one of its own.
    """
    return graph.apply(
        "Pooling",
        rows,
        lengths,
        domain=KERNELS,
        output=output,
        is_mean=int(pooling == "mean"),
        is_normalized=int(normalize),
    )


def projected_node(
    graph: GraphBuilder,
    pooled: str,
    projection: LinearWeights,
    precision: Precision,
    *,
    normalize: bool,
    output: str,
) -> str:
    """Vectors of another width, (texts, outputs).

    Args:
        graph: the graph.
        pooled: name of (texts, inputs), one vector a text.
        projection: the linear layer.
        precision: of its weights.
        normalize: whether vectors have length one.
        output: the name of the result.
    """
    named = "" if normalize else output
    vectors = linear_node(graph, pooled, projection, precision=precision, label="projection", output=named)
    return graph.apply("LpNormalization", vectors, output=output, axis=-1, p=2) if normalize else vectors
