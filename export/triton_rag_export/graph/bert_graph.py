"""The graph of a BERT-like encoder, of our own operators on packed rows.

Tokens of all texts lie under one another, without padding: linear layers, norms and activations see real
tokens alone, and attention reads where each text ends. A layer is five nodes, the norm behind each residual
sum included.

Every operator computes a row, or a text, independently of the others and in the same order: a text's vector
has the same bits alone and in any batch.
"""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from triton_rag_export.graph.attention_nodes import AttentionShape, source_attention_node
from triton_rag_export.graph.bert_weights import BertLayer, BertWeights, NormWeights
from triton_rag_export.graph.factors import width_of
from triton_rag_export.graph.layer_nodes import joined_node, layer_node
from triton_rag_export.graph.linear import Floats, LinearWeights, Precision
from triton_rag_export.graph.linear_node import Activation, Factors, Norm
from triton_rag_export.graph.onnx_builder import GraphBuilder
from triton_rag_export.graph.text_nodes import Pooling, pooling_node, projected_node, text_embedding_node

Site = Literal["attention", "attention_output", "feed_forward"]
"""Whose input an INT8 encoder evens out."""

_ACTIVATIONS = {"gelu": Activation.GELU, "gelu_tanh": Activation.GELU_TANH, "relu": Activation.RELU}


def build_bert_graph(
    bert: BertWeights,
    pooling: Pooling,
    precision: Precision,
    *,
    normalize: bool,
    projection: LinearWeights | None = None,
) -> "BertGraph":
    """Build the whole encoder.

    Inputs: `ids` (tokens,) int32 of all texts, `lengths` (texts,) int32. Output: `vectors` (texts, width).

    Args:
        bert: the weights.
        pooling: "mean" or "cls".
        precision: "fp32"; "fp16", weights stored in half the bytes and computed in FP32; "int8".
        normalize: whether vectors have length one.
        projection: behind pooling, (width, width of the vectors).
    """
    graph = GraphBuilder(f"encoder_{precision}")
    ids = graph.input("ids", np.int32, ["tokens"])
    build = _Build(graph, bert, precision, graph.input("lengths", np.int32, ["texts"]))
    rows = text_embedding_node(
        graph,
        ids,
        build.lengths,
        words=bert.words,
        positions=bert.positions,
        norm=bert.norm,
        epsilon=bert.epsilon,
        precision=precision,
    )  # (tokens, width)
    for number, layer in enumerate(bert.layers):
        with graph.scope(f"layer{number}"):
            build.inputs_of[number, "attention"] = rows
            attended = build.attended(layer, rows)
            build.inputs_of[number, "attention_output"] = attended
            rows = build.attention_output(layer, attended, rows)
            build.inputs_of[number, "feed_forward"] = rows
            rows = build.feed_forward(layer, rows)
    if projection is None:
        pooling_node(graph, rows, build.lengths, pooling, normalize=normalize, output="vectors")
    else:
        pooled = pooling_node(graph, rows, build.lengths, pooling, normalize=False)
        projected_node(graph, pooled, projection, precision, normalize=normalize, output="vectors")
    width = bert.words.shape[1] if projection is None else projection.weight.shape[1]
    graph.output("vectors", np.float32, ["texts", width])
    return BertGraph(graph, build.inputs_of)


@dataclass(frozen=True, slots=True)
class BertGraph:
    """A graph, and where its sites read.

    Attributes:
        graph: the builder, to be saved.
        inputs_of: names of rows, by layer and site.
    """

    graph: GraphBuilder
    inputs_of: dict[tuple[int, Site], str]


@dataclass(frozen=True, slots=True)
class _Build:
    """What every block needs: where to build, of what, how precisely, and the texts' lengths."""

    graph: GraphBuilder
    bert: BertWeights
    precision: Precision
    lengths: str
    inputs_of: dict[tuple[int, Site], str] = field(default_factory=dict)

    def attended(self, layer: BertLayer, rows: str) -> str:
        joined = joined_node(
            self.graph,
            rows,
            (layer.query, layer.key, layer.value),
            precision=self.precision,
            norm=_factors(layer.attention_factors),
            label="query_key_value",
        )  # (tokens, 3 * heads * head size)
        size = self.bert.head_size
        heads = width_of(layer.query) // size
        bias = self.bert.distance_bias
        return source_attention_node(
            self.graph,
            joined,
            AttentionShape(heads, heads, size, scale=size**-0.5),
            bias="" if bias is None else self.graph.constant(bias, np.float32, label="distance_bias"),
            lengths=self.lengths,
        )  # (tokens, heads * head size)

    def attention_output(self, layer: BertLayer, attended: str, rows: str) -> str:
        return layer_node(
            self.graph,
            attended,
            layer.attention_output,
            precision=self.precision,
            residual=rows,
            result_norm=self.norm(layer.attention_norm),
            label="attention_output",
        )

    def feed_forward(self, layer: BertLayer, rows: str) -> str:
        opened = layer_node(
            self.graph,
            rows,
            layer.feed_forward_in,
            precision=self.precision,
            norm=_factors(layer.feed_forward_factors),
            activation=_ACTIVATIONS[self.bert.activation],
            label="feed_forward_in",
        )  # (tokens, inner width)
        return layer_node(
            self.graph,
            opened,
            layer.feed_forward_out,
            precision=self.precision,
            has_zero_points=True,
            residual=rows,
            result_norm=self.norm(layer.output_norm),
            label="feed_forward_out",
        )

    def norm(self, norm: NormWeights) -> Norm:
        return Norm(norm.scale, self.bert.epsilon, norm.bias)


def _factors(factors: Floats | None) -> Factors | None:
    return None if factors is None else Factors(factors)
