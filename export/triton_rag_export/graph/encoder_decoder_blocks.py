"""What the two graphs of an encoder-decoder model have in common: everything but attention itself.

All of it works on packed rows, (rows, channels). A linear layer takes in the normalization before it and the
activation, gate and residual sum behind it (see `linear_node`).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from triton_rag_export.graph.attention_nodes import AttentionShape
from triton_rag_export.graph.encoder_decoder_model import (
    Attention,
    EncoderDecoderModel,
    FeedForward,
    Normalization,
    Stack,
)
from triton_rag_export.graph.linear import LinearWeights, Precision, bias_of
from triton_rag_export.graph.linear_node import Activation, Norm, linear_node
from triton_rag_export.graph.onnx_builder import GraphBuilder

_ONNX_FLOAT = 1
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
    """

    graph: GraphBuilder
    model: EncoderDecoderModel
    precision: Precision


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
    if precision == "fp32":
        hidden = graph.apply("Gather", graph.constant(stack.embedding, label="embedding"), token_ids, axis=0)
    else:
        half = graph.constant(stack.embedding.astype(np.float16), label="embedding")
        hidden = graph.apply("Cast", graph.apply("Gather", half, token_ids, axis=0), to=_ONNX_FLOAT)
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
    is_gated = block.gate is not None
    opening = block.up if block.gate is None else side_by_side(block.gate, block.up)
    opened = linear(
        build,
        rows,
        opening,
        "up",
        norm=norm,
        activation=_ACTIVATIONS[block.activation],
        is_gated=is_gated,
    )  # (rows, width)
    return linear(build, opened, block.down, "down", residual=rows, is_wide=build.model.keeps_down_wide)


def query_key_value(build: BlockBuild, attention: Attention, rows: str, norm: Normalization | None) -> str:
    """Queries, keys and values side by side, (rows, 3 * heads * head_size)."""
    packed = side_by_side(attention.query, attention.key, attention.value)
    return linear(build, rows, packed, "query_key_value", norm=norm)


def linear(
    build: BlockBuild,
    rows: str,
    layer: LinearWeights,
    label: str,
    *,
    norm: Normalization | None = None,
    activation: Activation = Activation.NONE,
    is_gated: bool = False,
    residual: str = "",
    is_wide: bool = False,
    output: str = "",
) -> str:
    """A linear layer with what comes before and behind it (`linear_node`).

    Args:
        build: where and how precisely.
        rows: name of the rows.
        layer: the weights.
        label: name of the node.
        norm: before the layer.
        activation: behind it.
        is_gated: whether the first half of the columns, activated, is multiplied with the second.
        residual: name of rows to add.
        is_wide: whether the weights stay float32 where others are stored in half the bytes.
        output: name of the result, if it is the graph's.
    """
    precision = "fp32" if is_wide and build.precision == "fp16" else build.precision
    before = None if norm is None else Norm(norm.weight, norm.epsilon, norm.bias)
    return linear_node(
        build.graph,
        rows,
        layer,
        precision=precision,
        norm=before,
        activation=activation,
        is_gated=is_gated,
        residual=residual,
        label=label,
        output=output,
    )


def shape_of(attention: Attention) -> AttentionShape:
    """The widths of an attention, as its nodes want them."""
    heads = attention.heads
    return AttentionShape(heads=heads, kv_heads=heads, head_size=attention.head_size, scale=attention.scale)


def relative_bias(graph: GraphBuilder, attention: Attention) -> str:
    """The name of an attention's biases by distance; empty without them."""
    if attention.bias is None:
        return ""
    return graph.constant(attention.bias.by_offset, np.float32, label="relative_bias")


def side_by_side(*layers: LinearWeights) -> LinearWeights:
    """One layer that does the work of several which read the same rows."""
    weight = np.concatenate([layer.weight for layer in layers], axis=1)
    if all(layer.bias is None for layer in layers):
        return LinearWeights(weight)
    return LinearWeights(weight, np.concatenate([bias_of(layer) for layer in layers]))
