"""Linear layers to test `Linear` with, and what NumPy makes of them in doubles.

The reference multiplies with the weights that are stored, so that what remains is the rounding of floats and,
in INT8 and INT4, that of a row's values to 127 steps: `Expected.allowed` bounds both.
"""

from dataclasses import dataclass
from math import erf, pi, sqrt

import numpy as np
import numpy.typing as npt
import onnxruntime
from export.operators import Operators
from triton_rag_export.graph.block_grid import rounded
from triton_rag_export.graph.linear import Floats, LinearWeights, quantize_weight
from triton_rag_export.graph.linear_node import Activation, Factors, Norm, linear_node
from triton_rag_export.graph.onnx_builder import GraphBuilder

Doubles = npt.NDArray[np.float64]

EPSILON = 1e-5


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer with everything that `linear_node` takes.

    Attributes:
        norm: "none", "rms", "layer" or "factors".
        result_norm: "none", "rms" or "layer".
        has_zero_points: whether bytes of a row lie around a zero point of its own.
        seed: of its weights.
    """

    precision: str = "fp32"
    inputs: int = 130
    outputs: int = 65
    norm: str = "none"
    activation: Activation = Activation.NONE
    is_gated: bool = False
    has_bias: bool = False
    has_residual: bool = False
    result_norm: str = "none"
    has_zero_points: bool = False
    seed: int = 0

    @property
    def weights(self) -> LinearWeights:
        """(inputs, columns) and a bias; on a grid for INT4."""
        generator = np.random.default_rng(self.seed)
        columns = self.outputs * (2 if self.is_gated else 1)
        weight = generator.normal(size=(self.inputs, columns)) / sqrt(self.inputs)
        bias = generator.normal(size=columns).astype(np.float32) if self.has_bias else None
        layer = LinearWeights(weight.astype(np.float32), bias)
        return rounded(layer, bits=4, block_size=32) if self.precision == "int4" else layer

    @property
    def norm_weights(self) -> Norm | Factors | None:
        """The normalization before it."""
        if self.norm == "factors":
            return Factors(np.random.default_rng(self.seed + 1).normal(size=self.inputs).astype(np.float32))
        return norm_of(self.norm, self.inputs, self.seed + 1)

    @property
    def result_norm_weights(self) -> Norm | None:
        """The normalization behind it."""
        return norm_of(self.result_norm, self.outputs, self.seed + 2)

    def session(self, operators: Operators, threads: int = 2) -> onnxruntime.InferenceSession:
        """A graph of this layer alone; inputs `rows` and, where it has one, `residual`."""
        graph = GraphBuilder("linear")
        rows = graph.input("rows", np.float32, ["rows", self.inputs])
        shape = ["rows", self.outputs]
        made = linear_node(
            graph,
            rows,
            self.weights,
            precision=self.precision,
            norm=self.norm_weights,
            has_zero_points=self.has_zero_points,
            result_norm=self.result_norm_weights,
            activation=self.activation,
            is_gated=self.is_gated,
            residual=graph.input("residual", np.float32, shape) if self.has_residual else "",
        )
        graph.output(made, np.float32, shape)
        return operators.session(graph, threads=threads)

    def feeds(self, rows: Floats) -> dict[str, Floats]:
        """The inputs of a run; the residual of a row depends on its values alone."""
        residual = np.resize(np.sin(rows[:, :1] + np.arange(self.outputs)), (len(rows), self.outputs))
        return {"rows": rows} | ({"residual": residual.astype(np.float32)} if self.has_residual else {})


def norm_of(kind: str, width: int, seed: int) -> Norm | None:
    """A normalization of random weights."""
    weight, bias = np.random.default_rng(seed).normal(size=(2, width)).astype(np.float32)
    return None if kind == "none" else Norm(weight, EPSILON, bias if kind == "layer" else None)


@dataclass(frozen=True, slots=True, eq=False)
class Expected:
    """What a layer should give, and how far each number may be from it."""

    values: Doubles
    allowed: Doubles


def random_rows(count: int, inputs: int, seed: int) -> Floats:
    """Rows of very different sizes; the second one is zeros."""
    generator = np.random.default_rng(seed)
    rows = generator.normal(size=(count, inputs)) * 10 ** generator.uniform(-3, 2, size=(count, 1))
    rows[1:2] = 0
    return rows.astype(np.float32)


def expected(layer: Layer, rows: Floats) -> Expected:
    """The layer in doubles, without a normalization behind it."""
    weights = layer.weights
    weight = _stored(layer, weights)
    values, error = _before(layer, rows.astype(np.float64))
    if layer.precision in ("int8", "int4"):
        error = error + 0.501 * _byte_step(layer, values)
    bias = 0.0 if weights.bias is None else weights.bias.astype(np.float64)
    size = np.abs(values) @ np.abs(weight) + np.abs(bias)
    result = _behind(layer, values @ weight + bias, error @ np.abs(weight) + 1e-6 * size)
    if layer.has_residual:
        residual = layer.feeds(rows)["residual"].astype(np.float64)
        result = Expected(result.values + residual, result.allowed + 1e-6 * np.abs(residual))
    return result


def _byte_step(layer: Layer, values: Doubles) -> Doubles:
    """What a step of a row's bytes is worth, (rows, 1)."""
    if not layer.has_zero_points:
        return np.abs(values).max(axis=1, keepdims=True, initial=0) / 127
    # A zero point is a whole number, too: a value may be off by half a step more.
    return (
        2
        * (values.max(axis=1, keepdims=True, initial=0) - values.min(axis=1, keepdims=True, initial=0))
        / 255
    )


def _stored(layer: Layer, weights: LinearWeights) -> Doubles:
    if layer.precision == "int8":
        steps, scale = quantize_weight(weights.weight)
        return steps.astype(np.float64) * scale
    kind = np.float16 if layer.precision == "fp16" else np.float32
    return weights.weight.astype(kind).astype(np.float64)


def _before(layer: Layer, rows: Doubles) -> tuple[Doubles, Doubles]:
    """Normalized rows and the rounding of each value."""
    norm = layer.norm_weights
    if norm is None:
        return rows, np.zeros_like(rows)
    if isinstance(norm, Factors):
        return rows * norm.weight, 1e-6 * np.abs(rows * norm.weight)
    return normalized(norm, rows)


def normalized(norm: Norm, rows: Doubles) -> tuple[Doubles, Doubles]:
    """Normalized rows and the rounding of each value."""
    centred = rows if norm.bias is None else rows - rows.mean(axis=1, keepdims=True)
    factor = 1 / np.sqrt((centred**2).mean(axis=1, keepdims=True) + norm.epsilon)
    bias = 0.0 if norm.bias is None else norm.bias.astype(np.float64)
    largest = np.abs(rows).max(axis=1, keepdims=True, initial=0)
    rounding = 1e-6 * (largest * factor * np.abs(norm.weight) + np.abs(bias))
    return centred * factor * norm.weight + bias, rounding


def _behind(layer: Layer, products: Doubles, error: Doubles) -> Expected:
    """Activation and gate; no activation is steeper than 1.2."""
    if not layer.is_gated:
        values = activated(layer.activation, products)
        return Expected(values, 1.2 * error + 1e-6 * np.abs(products))
    (gate, up), (gate_error, up_error) = np.split(products, 2, axis=1), np.split(error, 2, axis=1)
    opened = activated(layer.activation, gate)
    gate_error = 1.2 * gate_error + 1e-6 * np.abs(gate)
    allowed = gate_error * np.abs(up) + (np.abs(opened) + gate_error) * up_error
    return Expected(opened * up, allowed + 1e-6 * np.abs(opened * up))


def activated(activation: Activation, x: Doubles) -> Doubles:
    """The activation as its definition says."""
    match activation:
        case Activation.NONE:
            return x
        case Activation.SILU:
            return x * np.exp(-np.logaddexp(0, -x))
        case Activation.GELU_TANH:
            return 0.5 * x * (1 + np.tanh(sqrt(2 / pi) * (x + 0.044715 * x**3)))
        case Activation.RELU:
            return np.maximum(x, 0)
        case Activation.GELU:
            return 0.5 * x * (1 + np.asarray(np.vectorize(erf, otypes=[np.float64])(x / sqrt(2))))
