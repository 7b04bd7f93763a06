"""What the two graphs of an encoder-decoder model have in common: everything but attention itself.

All of it works on packed rows, (rows, channels). In INT8 a row is quantized once for all linear layers that
read it, with a scale of its own (see `linear`).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from triton_rag_export.graph.encoder_decoder_model import (
    Activation,
    EncoderDecoderModel,
    FeedForward,
    Normalization,
    Stack,
)
from triton_rag_export.graph.factors import FactorizedWeights, Linear
from triton_rag_export.graph.linear import (
    Precision,
    QuantizedRows,
    float_linear,
    quantize_rows,
    quantized_linear,
)
from triton_rag_export.graph.onnx_builder import MICROSOFT, GraphBuilder

_ONNX_FLOAT = 1


@dataclass(frozen=True, slots=True)
class BlockBuild:
    """What every block needs: where to build, what, and how precisely.

    Attributes:
        graph: gathers the nodes.
        model: what is built.
        precision: of the weights.
        zero_points: for as many rows as the stack has, in INT8 (see `row_zero_points`); else empty.
    """

    graph: GraphBuilder
    model: EncoderDecoderModel
    precision: Precision
    zero_points: str


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


def residual(
    build: BlockBuild, hidden: str, norm: Normalization, label: str, block: Callable[[str], str]
) -> str:
    """A block around which the residual stream passes, normalized before the block or behind the sum."""
    graph, norm_first = build.graph, build.model.norm_first
    read = normalize(graph, hidden, norm, f"{label}_norm") if norm_first else hidden
    summed = graph.apply("Add", hidden, block(read), label=f"{label}_residual")
    return summed if norm_first else normalize(graph, summed, norm, f"{label}_norm")


def feed_forward(build: BlockBuild, block: FeedForward, rows: str) -> str:
    """The feed-forward block: (rows, hidden) to (rows, hidden)."""
    graph = build.graph
    inputs = prepared(build, rows, "feed_forward")
    up = linear(build, inputs, block.up, "up")
    if block.gate is None:
        opened = _activate(graph, up, block.activation)
    else:
        gate = _activate(graph, linear(build, inputs, block.gate, "gate"), block.activation)
        opened = graph.apply("Mul", gate, up, label="gated")  # (rows, width)
    if build.precision == "fp16" and build.model.keeps_down_wide:
        build = replace(build, precision="fp32")
    return linear(build, prepared(build, opened, "opened"), block.down, "down")


def prepared(build: BlockBuild, rows: str, label: str) -> str | QuantizedRows:
    """Rows as the linear layers of this precision read them, quantized once for all their readers."""
    if build.precision != "int8":
        return rows
    return quantize_rows(build.graph, rows, build.zero_points, label=f"{label}_rows")


def linear(build: BlockBuild, rows: str | QuantizedRows, layer: Linear, label: str) -> str:
    """A linear layer on rows that `prepared` gave."""
    if isinstance(layer, FactorizedWeights):
        between = linear(build, rows, layer.first, f"{label}_first")  # (rows, rank)
        return linear(build, prepared(build, between, f"{label}_between"), layer.second, label)
    if isinstance(rows, QuantizedRows):
        return quantized_linear(build.graph, rows, layer, label=label)
    return float_linear(build.graph, rows, layer, precision=build.precision, label=label)


def _activate(graph: GraphBuilder, rows: str, activation: Activation) -> str:
    if activation == "relu":
        return graph.apply("Relu", rows)
    if activation == "silu":  # QuickGelu with alpha 1 is SiLU, in one pass
        return graph.apply("QuickGelu", rows, domain=MICROSOFT, alpha=1.0)
    return graph.apply("FastGelu" if activation == "gelu_tanh" else "Gelu", rows, domain=MICROSOFT)
