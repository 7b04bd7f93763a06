"""Nodes of our operator `Linear`: a linear layer with the normalization before it and the activation, gate,
residual sum and normalization behind it. A row has the same result, bit for bit, whatever rows stand beside
it, in every precision.

INT8 weights have one scale a column and activations one scale a row (`linear.py` says why). Bytes of a row
lie symmetrically around zero, or around a zero point of its own: an activation such as GELU leaves hardly
anything below zero, where symmetric bytes would waste half of their steps.
"""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from triton_rag_export.graph.block_grid import BlockLinear
from triton_rag_export.graph.linear import Floats, LinearWeights, quantize_weight
from triton_rag_export.graph.onnx_builder import KERNELS, GraphBuilder, without_trailing
from triton_rag_export.graph.packed_weights import grouped, pack_blocks, pack_bytes, pack_floats


class Activation(IntEnum):
    """What is applied to a layer's result."""

    NONE = 0
    SILU = 1
    GELU_TANH = 2
    RELU = 3
    GELU = 4


@dataclass(frozen=True, slots=True, eq=False)
class Norm:
    """A normalization of rows.

    Attributes:
        weight: (width,).
        epsilon: added to the mean square.
        bias: (width,) of a layer normalization; None: a root-mean-square normalization.
    """

    weight: Floats
    epsilon: float
    bias: Floats | None = None

    @property
    def kind(self) -> int:
        """What the operator calls it."""
        return 1 if self.bias is None else 2


@dataclass(frozen=True, slots=True, eq=False)
class Factors:
    """Factors of the channels of rows, in a normalization's place: (width,)."""

    weight: Floats
    bias: None = None
    epsilon: float = 0.0
    kind: int = 3


def linear_node(
    graph: GraphBuilder,
    rows: str,
    layer: LinearWeights,
    *,
    precision: str,
    norm: Norm | Factors | None = None,
    has_zero_points: bool = False,
    activation: Activation = Activation.NONE,
    is_gated: bool = False,
    residual: str = "",
    result_norm: Norm | None = None,
    label: str = "linear",
    output: str = "",
) -> str:
    """`result_norm(activation(norm(rows) @ weight + bias) + residual)`, (rows, inputs) to (rows, outputs).

    Args:
        graph: the graph.
        rows: name of the rows, float32.
        layer: weights; a gated layer's are gates and ups side by side.
        precision: "fp32", "fp16", "int8" or "int4", which wants a `BlockLinear`.
        norm: before the layer.
        has_zero_points: whether bytes of a row lie around a zero point of its own; read in INT8 alone.
        activation: behind it.
        is_gated: whether the first half of the columns, activated, is multiplied with the second.
        residual: name of (rows, outputs) to add; "" for none.
        result_norm: behind the residual sum.
        label: name of the node.
        output: name of its result; by default made of the label.

    Raises:
        ValueError: INT4 of weights that are not on a grid.
    """
    weight, scale, bits = _stored(graph, layer, is_gated, precision, label)
    bias = "" if layer.bias is None else _columns(graph, layer.bias, is_gated, f"{label}_bias")
    sums = _weight_sums(graph, layer, is_gated, label) if has_zero_points and precision == "int8" else ""
    before = _norm_constants(graph, norm, label)
    behind = _norm_constants(graph, result_norm, f"{label}_result")
    return graph.apply(
        "Linear",
        *without_trailing([rows, weight, scale, *before, bias, residual, sums, *behind]),
        domain=KERNELS,
        label=label,
        output=output,
        activation=int(activation),
        **_widths(layer, is_gated, bits),
        **_norm_attributes(norm),
        **_norm_attributes(result_norm, "result_"),
    )


def _widths(layer: LinearWeights, is_gated: bool, bits: int) -> dict[str, int]:
    """What the operator is told of a layer's weight."""
    inputs, columns = layer.weight.shape
    outputs = columns // 2 if is_gated else columns
    return {
        "input_width": inputs,
        "output_width": outputs,
        "is_gated": int(is_gated),
        "weight_bits": bits,
    }


def _norm_attributes(norm: Norm | Factors | None, which: str = "") -> dict[str, float]:
    """What the operator is told of a normalization: its kind, 0 for none, and its epsilon."""
    kind, epsilon = (0, 0.0) if norm is None else (norm.kind, norm.epsilon)
    return {f"{which}norm": kind, f"{which}epsilon": epsilon}


def _norm_constants(graph: GraphBuilder, norm: Norm | Factors | None, label: str) -> tuple[str, str]:
    """Names of a normalization's weight and bias; empty where there is none."""
    if norm is None:
        return "", ""
    weight = graph.constant(norm.weight, np.float32, label=f"{label}_norm")
    if norm.bias is None:
        return weight, ""
    return weight, graph.constant(norm.bias, np.float32, label=f"{label}_norm_bias")


def _weight_sums(graph: GraphBuilder, layer: LinearWeights, is_gated: bool, label: str) -> str:
    """What a zero point is multiplied with: the sums of the columns' bytes."""
    weight, _ = quantize_weight(layer.weight)
    sums = grouped(weight.sum(axis=0, dtype=np.int32)[None], is_gated=is_gated).ravel()
    return graph.constant(sums, np.int32, label=f"{label}_sums")


def _stored(
    graph: GraphBuilder, layer: LinearWeights, is_gated: bool, precision: str, label: str
) -> tuple[str, str, int]:
    """Names of the packed weight and its scales, and the bits of a weight."""
    if precision == "int4":
        if not isinstance(layer, BlockLinear):
            raise ValueError("an INT4 graph of float weights; quantize the model first (quantize_layers)")
        return graph.constant(pack_blocks(layer, is_gated=is_gated), label=f"{label}_weight"), "", 4
    if precision == "int8":
        weight, scale = quantize_weight(layer.weight)
        packed = graph.constant(pack_bytes(weight, is_gated=is_gated), label=f"{label}_weight")
        return packed, _columns(graph, scale, is_gated, f"{label}_scale"), 8
    kind: type[np.floating] = np.float16 if precision == "fp16" else np.float32
    floats = pack_floats(layer.weight.astype(kind), is_gated=is_gated)
    return graph.constant(floats, label=f"{label}_weight"), "", 16 if precision == "fp16" else 32


def _columns(graph: GraphBuilder, values: Floats, is_gated: bool, label: str) -> str:
    """What each column has one of, in the order of the packed weight."""
    return graph.constant(grouped(values[None, :], is_gated=is_gated).ravel(), np.float32, label=label)
