"""A linear layer for a GPU: what `linear_node` is for a CPU, in operators of ONNX.

The residual stream stays FP32, where FP16 would lose or overflow. With weights in FP16 the product, the
activation and the gate are FP16, and what is added to the stream, or leaves the graph, is FP32 again. A cast
to what a value is already costs nothing: ONNX Runtime drops it when it loads the graph.
"""

import numpy as np
import onnx

from triton_rag_export.graph.linear import LinearWeights
from triton_rag_export.graph.linear_node import Activation, Factors, Norm
from triton_rag_export.graph.onnx_builder import GraphBuilder

PRECISIONS = ("fp32", "fp16")
"""What a GPU has kernels for that were checked: of weights, and of caches."""

_TYPES = {"fp32": onnx.TensorProto.FLOAT, "fp16": onnx.TensorProto.FLOAT16}
FLOATS: dict[str, type[np.float32] | type[np.float16]] = {"fp32": np.float32, "fp16": np.float16}
"""What a value of each kind holds."""


def gpu_linear_node(
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

    Arguments are those of `linear_node`, but zero points, which bytes alone have, are not read; the result
    is float32 with a residual, a norm behind or a name for it, else of the precision.

    Raises:
        ValueError: another precision than "fp32" and "fp16".
    """
    if precision not in PRECISIONS:
        raise ValueError(f"precision of a graph for a GPU is {precision!r}; allowed: {', '.join(PRECISIONS)}")
    dtype = FLOATS[precision]
    if norm is not None:
        rows = norm_node(graph, cast_node(graph, rows, "fp32"), norm, label=f"{label}_normed")
    # Transposed, a head that is tied is the very constant that the embedding is.
    weight = graph.constant(layer.weight.T, dtype, label=f"{label}_weight")
    inputs = [cast_node(graph, rows, precision), weight]
    if layer.bias is not None:
        inputs.append(graph.constant(layer.bias, dtype, label=f"{label}_bias"))
    made = graph.apply("Gemm", *inputs, transB=1, label=label)
    if is_gated:
        half = layer.weight.shape[1] // 2
        gate, up = columns(graph, made, 0, half), columns(graph, made, half, 2 * half)
        made = graph.apply("Mul", _activated(graph, gate, activation), up, label=f"{label}_gated")
    else:
        made = _activated(graph, made, activation)
    if residual:
        made = graph.apply("Add", cast_node(graph, made, "fp32"), residual, label=f"{label}_sum")
    if result_norm is not None:
        made = norm_node(graph, cast_node(graph, made, "fp32"), result_norm, label=f"{label}_result_norm")
    if output:
        made = graph.apply("Cast", made, to=_TYPES["fp32"], output=output)
    return made


def norm_node(graph: GraphBuilder, rows: str, norm: Norm | Factors, *, kind: str = "fp32", label: str) -> str:
    """Rows of a kind, "fp32" or "fp16", normalized over their last dimension."""
    weight = graph.constant(norm.weight, FLOATS[kind], label=f"{label}_weight")
    if isinstance(norm, Factors):
        return graph.apply("Mul", rows, weight, label=label)
    if norm.bias is None:
        return graph.apply("RMSNormalization", rows, weight, axis=-1, epsilon=norm.epsilon, label=label)
    bias = graph.constant(norm.bias, FLOATS[kind], label=f"{label}_bias")
    return graph.apply("LayerNormalization", rows, weight, bias, axis=-1, epsilon=norm.epsilon, label=label)


def cast_node(graph: GraphBuilder, value: str, kind: str) -> str:
    """A value as "fp32" or "fp16"."""
    return graph.apply("Cast", value, to=_TYPES[kind], label=f"as_{kind}")


def columns(graph: GraphBuilder, rows: str, start: int, end: int) -> str:
    """Some columns of rows, (rows, end - start)."""
    bounds = [graph.constant([number], np.int64) for number in (start, end, 1)]
    return graph.apply("Slice", rows, *bounds, label="columns")


def _activated(graph: GraphBuilder, values: str, activation: Activation) -> str:
    match activation:
        case Activation.NONE:
            return values
        case Activation.SILU:
            return graph.apply("Mul", values, graph.apply("Sigmoid", values), label="silu")
        case Activation.RELU:
            return graph.apply("Relu", values)
        case Activation.GELU:
            return graph.apply("Gelu", values)
        case Activation.GELU_TANH:
            return graph.apply("Gelu", values, approximate="tanh")
