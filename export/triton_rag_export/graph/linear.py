"""Linear layers on packed rows: their weights, their quantization, and the nodes of an encoder's.

Rows of many sequences lie under one another, `(rows, inputs)`, without padding. In INT8 the weights have one
scale a column (output channel) and the activations one scale a row, so that a row's result depends on that
row alone: neither its accuracy nor a single bit changes with its neighbours, which one scale a call
(`DynamicQuantizeMatMul`) cannot give. No operator of ONNX Runtime takes a scale a row: generators use one of
our own (`linear_node.py`), encoders the chain Abs, ReduceMax, Mul, QuantizeLinear(axis=0),
MatMulIntegerToFloat, Mul.

Activations are unsigned bytes around 128 because the INT8 kernels of x86 multiply unsigned by signed.
Smoothing is SmoothQuant's (Xiao et al., 2023, https://arxiv.org/abs/2211.10438): outlier channels of the
activations are divided by a factor that the weights take over.
"""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from triton_rag_export.graph.onnx_builder import MICROSOFT, GraphBuilder

Precision = Literal["fp32", "fp16", "int8"]
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class LinearWeights:
    """`y = x @ weight + bias`.

    Attributes:
        weight: `(inputs, outputs)`; a torch `Linear` keeps the transpose.
        bias: `(outputs,)`, or None.
    """

    weight: Floats
    bias: Floats | None = None

    def smoothed(self, factors: Floats) -> "LinearWeights":
        """The layer for inputs that were divided by `factors` `(inputs,)`."""
        return replace(self, weight=(self.weight * factors[:, None]).astype(np.float32))


@dataclass(frozen=True, slots=True)
class QuantizedRows:
    """Names of a graph's values: rows in bytes, to be read by any number of linear layers.

    Attributes:
        values: `(rows, inputs)` uint8.
        scale: `(rows, 1)` float32, what one step of a byte is worth in each row.
        zero_point: the byte that means zero.
    """

    values: str
    scale: str
    zero_point: int


def bias_of(layer: LinearWeights) -> Floats:
    """The layer's bias, zeros if it has none."""
    return layer.bias if layer.bias is not None else np.zeros(layer.weight.shape[1], dtype=np.float32)


def quantize_weight(weight: Floats) -> tuple[npt.NDArray[np.int8], Floats]:
    """Quantize symmetrically to -127..127 with one scale an output channel.

    Args:
        weight: `(inputs, outputs)`.

    Returns:
        The bytes `(inputs, outputs)` and the scales `(outputs,)`; a channel of zeros gets scale 1.
    """
    largest = np.abs(weight).max(axis=0)
    scale = np.where(largest > 0, largest / 127, 1).astype(np.float32)
    return np.clip(np.rint(weight / scale), -127, 127).astype(np.int8), scale


def smoothing_factors(activation_absmax: Floats, weights: Floats, alpha: float) -> Floats:
    """SmoothQuant's factor of each input channel: `activation ** alpha / weight ** (1 - alpha)`.

    Args:
        activation_absmax: `(inputs,)` largest absolute activation seen in calibration.
        weights: `(inputs, outputs)` of all layers that read these activations, side by side.
        alpha: 0 leaves the activations as they are, 1 makes all their channels equally large.

    Returns:
        `(inputs,)`: divide the activations by it, multiply the weights' rows by it. 1 where a side is zero.
    """
    weight_absmax = np.abs(weights).max(axis=1)
    usable = (activation_absmax > 0) & (weight_absmax > 0)
    activation = np.where(usable, activation_absmax, 1).astype(np.float64)
    weight = np.where(usable, weight_absmax, 1).astype(np.float64)
    return (activation**alpha / weight ** (1 - alpha)).astype(np.float32)


def float_linear(
    builder: GraphBuilder,
    rows: str,
    layer: LinearWeights,
    *,
    precision: Precision = "fp32",
    label: str = "linear",
) -> str:
    """`rows @ weight + bias` in FP32 arithmetic; "fp16" stores the weight in half the bytes."""
    product = builder.apply(
        "MatMul", rows, _stored(builder, layer.weight, precision, label=f"{label}_weight"), label=label
    )
    return _with_bias(builder, product, layer.bias, label)


def row_zero_points(builder: GraphBuilder, rows: str, zero_point: int = 128) -> str:
    """The byte that means zero once a row, `(rows,)`: make it once for all that quantize as many rows."""
    count = builder.apply("Shape", rows, start=0, end=1)
    return builder.apply("Expand", builder.constant([zero_point], np.uint8), count, label="row_zero_points")


def quantize_rows(
    builder: GraphBuilder, rows: str, zero_points: str, *, label: str = "rows"
) -> QuantizedRows:
    """Quantize each row with its own scale, its largest absolute value / 127, around 128.

    A row of zeros has scale zero: whatever bytes 0 / 0 becomes, times zero they are zeros again.

    Args:
        builder: the graph.
        rows: `(rows, inputs)` float32.
        zero_points: what `row_zero_points` gave for as many rows.
        label: scope of the nodes.
    """
    with builder.scope(label):
        largest = builder.apply(
            "ReduceMax", builder.apply("Abs", rows), builder.constant([-1], np.int64), keepdims=1
        )
        scale = builder.apply("Mul", largest, builder.constant(1 / 127, np.float32))
        return QuantizedRows(_quantize(builder, rows, scale, zero_points), scale, 128)


def quantize_one_sided_rows(
    builder: GraphBuilder, rows: str, zero_points: str, *, lowest: float, zero_point: int, label: str = "rows"
) -> QuantizedRows:
    """Quantize rows that are nowhere below `lowest`, as an activation function leaves them, each with its own
    scale.

    A symmetric scale would waste half of its steps on values that do not occur. Here most bytes lie above a
    low zero point, and a scale is at least so large that `lowest` fits below it; one pass less than taking
    absolute values.

    Args:
        builder: the graph.
        rows: `(rows, inputs)` float32.
        zero_points: what `row_zero_points` gave for as many rows and this zero point.
        lowest: the smallest value that can occur, below zero.
        zero_point: the byte that means zero.
        label: scope of the nodes.
    """
    with builder.scope(label):
        largest = builder.apply("ReduceMax", rows, builder.constant([-1], np.int64), keepdims=1)
        step = builder.apply("Mul", largest, builder.constant(1 / (255 - zero_point), np.float32))
        scale = builder.apply("Max", step, builder.constant(-lowest / zero_point, np.float32))
        return QuantizedRows(_quantize(builder, rows, scale, zero_points), scale, zero_point)


def taken(builder: GraphBuilder, rows: QuantizedRows, indexes: str) -> QuantizedRows:
    """Some rows, in the order and shape of `indexes`: bytes are moved, a quarter of what floats would be."""
    values = builder.apply("Gather", rows.values, indexes)
    return replace(rows, values=values, scale=builder.apply("Gather", rows.scale, indexes))


def quantized_linear(
    builder: GraphBuilder, rows: QuantizedRows, layer: LinearWeights, *, label: str = "linear"
) -> str:
    """`rows @ weight + bias` in INT8 on rows that `quantize_rows` or `quantize_one_sided_rows` made."""
    weight, scale = quantize_weight(layer.weight)
    product = _integer_product(builder, rows.values, weight, scale, rows.zero_point, "", label)
    scaled = builder.apply("Mul", product, rows.scale, label=f"{label}_scaled")
    return _with_bias(builder, scaled, layer.bias, label)


def static_linear(
    builder: GraphBuilder,
    rows: str,
    layer: LinearWeights,
    *,
    activation_scale: float,
    indexes: str = "",
    label: str = "linear",
) -> str:
    """`rows @ weight + bias` in INT8 with one activation scale, fixed by calibration: the fewest passes.

    A fixed scale is neighbour-independent too, but less accurate than a scale a row: smooth the activations
    first (`smoothing_factors`).

    Args:
        builder: the graph.
        rows: `(rows, inputs)` float32.
        layer: weights and bias.
        activation_scale: what one step of a byte is worth; values larger than 127 steps are clipped.
        indexes: compute these rows only, in their order and shape; by default all.
        label: name of the nodes.
    """
    step = builder.constant(activation_scale, np.float32)
    values = builder.apply(
        "QuantizeLinear", rows, step, builder.constant(128, np.uint8), label=f"{label}_rows"
    )
    if indexes:
        values = builder.apply("Gather", values, indexes)
    weight, scale = quantize_weight(layer.weight)
    bias = "" if layer.bias is None else builder.constant(layer.bias, np.float32, label=f"{label}_bias")
    scales = (scale * np.float32(activation_scale)).astype(np.float32)
    return _integer_product(builder, values, weight, scales, 128, bias, label)


def _stored(builder: GraphBuilder, weight: Floats, precision: Precision, *, label: str) -> str:
    """A float constant: as it is, or in FP16 and cast back, half the file for the same FP32 arithmetic.

    ONNX Runtime's x86 kernels compute in FP32; it folds the cast away when it loads the graph.
    """
    if precision != "fp16":
        return builder.constant(weight, np.float32, label=label)
    half = builder.constant(weight.astype(np.float16), label=label)
    return builder.apply("Cast", half, to=1, label=f"{label}_cast")


def _quantize(builder: GraphBuilder, rows: str, scale: str, zero_points: str) -> str:
    """`QuantizeLinear` wants the scale of each row as `(rows,)`."""
    flat = builder.apply("Reshape", scale, builder.constant([-1], np.int64))
    return builder.apply("QuantizeLinear", rows, flat, zero_points, axis=0)


def _integer_product(
    builder: GraphBuilder,
    values: str,
    weight: npt.NDArray[np.int8],
    scale: Floats,
    zero_point: int,
    bias: str,
    label: str,
) -> str:
    return builder.apply(
        "MatMulIntegerToFloat",
        values,
        builder.constant(weight, label=f"{label}_weight"),
        builder.constant(1, np.float32),
        builder.constant(scale, np.float32, label=f"{label}_scale"),
        builder.constant(zero_point, np.uint8),
        "",
        bias,
        domain=MICROSOFT,
        label=label,
    )


def _with_bias(builder: GraphBuilder, product: str, bias: npt.NDArray[np.floating] | None, label: str) -> str:
    if bias is None:
        return product
    return builder.apply(
        "Add", product, builder.constant(bias, np.float32, label=f"{label}_bias"), label=f"{label}_biased"
    )
