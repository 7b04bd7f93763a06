"""What the two graphs of an encoder-decoder model have in common: everything but attention itself.

All of it works on packed rows, (rows, channels). A linear layer takes in the normalization before it and the
activation, gate and residual sum behind it (see `linear_node`).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from triton_rag_export.graph.attention_nodes import AttentionShape
from triton_rag_export.graph.causal_model import CacheKind
from triton_rag_export.graph.encoder_decoder_model import (
    Attention,
    EncoderDecoderModel,
    FeedForward,
    Normalization,
    Stack,
)
from triton_rag_export.graph.factors import Linear
from triton_rag_export.graph.layer_nodes import embedding_node, gated_node, joined_node, layer_node
from triton_rag_export.graph.linear import Precision
from triton_rag_export.graph.linear_node import Activation, Norm
from triton_rag_export.graph.onnx_builder import GraphBuilder

_ACTIVATIONS = {
    "relu": Activation.RELU,
    "gelu": Activation.GELU,
    "gelu_tanh": Activation.GELU_TANH,
    "silu": Activation.SILU,
}

Block = Callable[[str, Normalization | None], str]
"""A block of a layer: reads rows, normalized first where one is given, and adds them to what it computes."""


@dataclass(frozen=True, slots=True)
class BlockBuild:
    """What every block needs: where to build, what, and how precisely.

    Attributes:
        graph: gathers the nodes.
        model: what is built.
        precision: of the weights.
        cache: what keys and values are kept in.
    """

    graph: GraphBuilder
    model: EncoderDecoderModel
    precision: Precision
    cache: CacheKind


def embed(
    graph: GraphBuilder, stack: Stack, precision: Precision, token_ids: str, places: Callable[[str], str]
) -> str:
    """Rows of tokens, (rows, hidden).

    Args:
        graph: gathers the nodes.
        stack: whose embedding.
        precision: of the weights.
        token_ids: (rows,).
        places: given the name of the table of learned positions, the name of each row's own; not called when
            positions are relative.
    """
    hidden = embedding_node(graph, stack.embedding, token_ids, precision=precision)
    if stack.embedding_scale != 1.0:
        hidden = graph.apply("Mul", hidden, graph.constant(stack.embedding_scale, np.float32))
    if stack.positions is not None:
        table = graph.constant(stack.positions, np.float32, label="positions")
        hidden = graph.apply("Add", hidden, places(table), label="placed")
    return normalize(graph, hidden, stack.embedding_norm, "embedding_norm")


def normalize(graph: GraphBuilder, rows: str, norm: Normalization | None, label: str) -> str:
    """Rows normalized as the model does it, or as they are without a normalization."""
    if norm is None:
        return rows
    weight = graph.constant(norm.weight, np.float32, label=f"{label}_weight")
    if norm.bias is None:
        return graph.apply("RMSNormalization", rows, weight, axis=-1, epsilon=norm.epsilon, label=label)
    bias = graph.constant(norm.bias, np.float32, label=f"{label}_bias")
    return graph.apply("LayerNormalization", rows, weight, bias, axis=-1, epsilon=norm.epsilon, label=label)


def residual(build: BlockBuild, hidden: str, norm: Normalization, label: str, block: Block) -> str:
    """A block around which the residual stream passes, normalized before the block or behind the sum."""
    if build.model.norm_first:
        return block(hidden, norm)
    return normalize(build.graph, block(hidden, None), norm, f"{label}_norm")


def feed_forward(build: BlockBuild, block: FeedForward, rows: str, norm: Normalization | None) -> str:
    """The feed-forward block: (rows, hidden) to (rows, hidden)."""
    activation, before = _ACTIVATIONS[block.activation], _before(norm)
    if block.gate is None:
        opened = linear(build, rows, block.up, "up", norm=norm, activation=activation)
    else:
        opened = gated_node(
            build.graph,
            rows,
            block.gate,
            block.up,
            precision=build.precision,
            norm=before,
            activation=activation,
            label="gate_up",
        )  # (rows, width)
    if build.precision == "fp16" and build.model.keeps_down_wide:
        build = replace(build, precision="fp32")
    return linear(build, opened, block.down, "down", residual=rows)


def query_key_value(build: BlockBuild, attention: Attention, rows: str, norm: Normalization | None) -> str:
    """Queries, keys and values side by side, (rows, 3 * heads * head_size)."""
    return joined(build, rows, (attention.query, attention.key, attention.value), "query_key_value", norm)


def joined(
    build: BlockBuild,
    rows: str,
    layers: Sequence[Linear],
    label: str,
    norm: Normalization | None = None,
) -> str:
    """What layers that read the same rows give, side by side."""
    return joined_node(build.graph, rows, layers, precision=build.precision, norm=_before(norm), label=label)


def linear(
    build: BlockBuild,
    rows: str,
    layer: Linear,
    label: str,
    *,
    norm: Normalization | None = None,
    activation: Activation = Activation.NONE,
    residual: str = "",
    output: str = "",
) -> str:
    """A linear layer with what comes before and behind it (`layer_node`)."""
    return layer_node(
        build.graph,
        rows,
        layer,
        precision=build.precision,
        norm=_before(norm),
        activation=activation,
        residual=residual,
        label=label,
        output=output,
    )


def _before(norm: Normalization | None) -> Norm | None:
    return None if norm is None else Norm(norm.weight, norm.epsilon, norm.bias)


def shape_of(attention: Attention) -> AttentionShape:
    """The widths of an attention, as its nodes want them."""
    heads = attention.heads
    return AttentionShape(heads=heads, kv_heads=heads, head_size=attention.head_size, scale=attention.scale)


def relative_bias(graph: GraphBuilder, attention: Attention) -> str:
    """The name of an attention's biases by distance; empty without them."""
    if attention.bias is None:
        return ""
    return graph.constant(attention.bias.by_offset, np.float32, label="relative_bias")
