"""The graph of a BERT-like encoder, built node by node on packed rows.

Tokens of all texts lie under one another, so linear layers, norms and activations never see padding;
attention alone gathers them into a grid. `GroupQueryAttention` without causality masks what is behind each
text's end, in time that depends on the real lengths. Add and LayerNormalization stay apart because ONNX
Runtime's fused SkipLayerNormalization is four times slower on packed rows.

Every operator computes a row, or a text, independently of the others and in the same order: a text's vector
has the same bits alone and in any batch. What this needs: tokens and grid filled up to multiples of four
(`query_encoding.packing`), and weights filled up so that no vector loop has a tail (`bert_filling`).
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from triton_rag_export.graph.bert_weights import BertLayer, BertWeights, NormWeights
from triton_rag_export.graph.encoder_linear import EncoderLinear
from triton_rag_export.graph.linear import Floats, LinearWeights, Precision, bias_of, quantize_weight
from triton_rag_export.graph.onnx_builder import MICROSOFT, GraphBuilder

Pooling = Literal["mean", "cls"]


@dataclass(frozen=True, slots=True)
class PackedInputs:
    """Names of the graph's inputs, those of `query_encoding.packing.PackedTexts`."""

    ids: str
    positions: str
    grid: str
    unpack: str
    last: str
    longest: str
    weights: str | None


def add_inputs(builder: GraphBuilder, pooling: Pooling) -> PackedInputs:
    """Declare the graph's inputs; CLS pooling needs no weights."""
    return PackedInputs(
        ids=builder.input("ids", np.int32, ["tokens"]),
        positions=builder.input("positions", np.int32, ["tokens"]),
        grid=builder.input("grid", np.int32, ["texts", "longest"]),
        unpack=builder.input("unpack", np.int32, ["tokens"]),
        last=builder.input("last", np.int32, ["texts"]),
        longest=builder.input("longest", np.int32, []),
        weights=builder.input("weights", np.float32, ["texts", 1, "longest"]) if pooling == "mean" else None,
    )


def add_encoder(
    builder: GraphBuilder,
    inputs: PackedInputs,
    bert: BertWeights,
    linear: EncoderLinear,
    precision: Precision,
    *,
    normalize: bool,
) -> None:
    """Add the whole encoder, with the output `vectors` `(texts, width)`.

    Args:
        builder: the graph.
        inputs: what `add_inputs` declared.
        bert: the weights, filled up (`bert_filling`).
        linear: how linear layers are computed.
        precision: how embeddings are stored.
        normalize: whether vectors have length one.
    """
    rows = _embeddings(builder, inputs, bert, precision)  # (tokens, width)
    bias = _distance_bias(builder, inputs, bert)
    for number, layer in enumerate(bert.layers):
        with builder.scope(f"layer{number}"):
            attended = _attention(builder, inputs, rows, layer, linear, number, bert, bias)
            rows = _add_and_norm(builder, rows, attended, layer.attention_norm, bert.epsilon)
            fed = _feed_forward(builder, rows, layer, linear, number, bert.activation)
            rows = _add_and_norm(builder, rows, fed, layer.output_norm, bert.epsilon)
    vectors = _pool(builder, inputs, rows)
    if normalize:
        length = builder.apply("ReduceL2", vectors, builder.constant([-1], np.int64), keepdims=1)
        vectors = builder.apply(
            "Div", vectors, builder.apply("Max", length, builder.constant(1e-12, np.float32))
        )
    builder.apply("Identity", vectors, output="vectors")
    builder.output("vectors", np.float32, ["texts", bert.words.shape[1]])


def _embeddings(builder: GraphBuilder, inputs: PackedInputs, bert: BertWeights, precision: Precision) -> str:
    with builder.scope("embeddings"):
        words = _words(builder, inputs.ids, bert.words, precision)
        positions = builder.apply("Gather", builder.constant(bert.positions, np.float32), inputs.positions)
        return _add_and_norm(builder, words, positions, bert.norm, bert.epsilon)


def _words(builder: GraphBuilder, ids: str, words: Floats, precision: Precision) -> str:
    """Look words up; in INT8 each has its own scale, in FP16 the looked-up rows alone are cast."""
    if precision == "int8":
        table, scale = quantize_weight(words.T)  # (width, vocabulary), (vocabulary,)
        bytes_ = builder.apply("Gather", builder.constant(np.ascontiguousarray(table.T), label="words"), ids)
        scales = builder.apply("Gather", builder.constant(scale[:, None], label="word_scales"), ids)
        return builder.apply("Mul", builder.apply("Cast", bytes_, to=1), scales)
    if precision == "fp16":
        half = builder.constant(words.astype(np.float16), label="words")
        return builder.apply("Cast", builder.apply("Gather", half, ids), to=1)
    return builder.apply("Gather", builder.constant(words, np.float32, label="words"), ids)


def _attention(
    builder: GraphBuilder,
    inputs: PackedInputs,
    rows: str,
    layer: BertLayer,
    linear: EncoderLinear,
    number: int,
    bert: BertWeights,
    bias: str,
) -> str:
    # (texts, longest, 3 * heads * head size)
    grid = linear.apply(rows, _joined(layer), number, "qkv", indexes=inputs.grid)
    attended = builder.apply(
        "GroupQueryAttention",
        *[grid, "", "", "", "", inputs.last, inputs.longest, "", "", "", bias],
        domain=MICROSOFT,
        num_heads=bert.heads,
        kv_num_heads=bert.heads,
        causal=0,
        scale=float((bert.words.shape[1] // bert.heads) ** -0.5),
    )
    width = layer.attention_output.weight.shape[0]
    flat = builder.apply("Reshape", attended, builder.constant([-1, width], np.int64))
    unpacked = builder.apply("Gather", flat, inputs.unpack)  # (tokens, heads * head size)
    return linear.apply(unpacked, layer.attention_output, number, "output")


def _joined(layer: BertLayer) -> LinearWeights:
    """Query, key and value as one layer."""
    parts = (layer.query, layer.key, layer.value)
    weight = np.concatenate([part.weight for part in parts], axis=1)
    return LinearWeights(weight, np.concatenate([bias_of(part) for part in parts]))


def _feed_forward(
    builder: GraphBuilder, rows: str, layer: BertLayer, linear: EncoderLinear, number: int, activation: str
) -> str:
    inner = linear.apply(rows, layer.feed_forward_in, number, "ff1")
    if activation == "relu":
        active = builder.apply("Relu", inner)
    else:
        active = builder.apply("Gelu", inner, approximate="tanh" if activation == "gelu_tanh" else "none")
    return linear.apply(active, layer.feed_forward_out, number, "ff2")


def _add_and_norm(builder: GraphBuilder, rows: str, change: str, norm: NormWeights, epsilon: float) -> str:
    total = builder.apply("Add", change, rows)
    scale, bias = builder.constant(norm.scale, np.float32), builder.constant(norm.bias, np.float32)
    return builder.apply("LayerNormalization", total, scale, bias, axis=-1, epsilon=epsilon)


def _pool(builder: GraphBuilder, inputs: PackedInputs, rows: str) -> str:
    """Mean as a product with each token's share; CLS as the first token of each text."""
    with builder.scope("pooling"):
        if inputs.weights is None:
            first = builder.apply("Gather", inputs.grid, builder.constant(0, np.int64), axis=1)  # (texts,)
            return builder.apply("Gather", rows, first)
        grid = builder.apply("Gather", rows, inputs.grid)  # (texts, longest, width)
        mean = builder.apply("MatMul", inputs.weights, grid)  # (texts, 1, width)
        return builder.apply("Squeeze", mean, builder.constant([1], np.int64))


def _distance_bias(builder: GraphBuilder, inputs: PackedInputs, bert: BertWeights) -> str:
    """What scores get by the distance from query to key, `(1, heads, longest, longest)`, or nothing."""
    if bert.distance_bias is None:
        return ""
    with builder.scope("distances"):
        zero, one = builder.constant(0, np.int32), builder.constant(1, np.int32)
        steps = builder.apply("Range", zero, inputs.longest, one)  # (longest,)
        keys = builder.apply("Unsqueeze", steps, builder.constant([0], np.int64))
        queries = builder.apply("Unsqueeze", steps, builder.constant([1], np.int64))
        middle = builder.constant(len(bert.distance_bias) // 2, np.int32)
        row = builder.apply("Add", builder.apply("Sub", keys, queries), middle)  # (longest, longest)
        table = builder.constant(np.ascontiguousarray(bert.distance_bias.T), np.float32)  # (heads, distances)
        bias = builder.apply("Gather", table, row, axis=1)  # (heads, longest, longest)
        return builder.apply("Unsqueeze", bias, builder.constant([0], np.int64))
