"""How an encoder's linear layers are computed: in floats, or in INT8 after calibration or without.

Four sites a layer read different activations, and each has its own best way in INT8:

- `qkv` and `ff1` read a norm's output, which smoothing makes even: one scale fixed by calibration, the fewest
  passes.
- `output` reads a mean of values; its smoothing factors go into the value and output weights, at no cost.
- `ff2` reads GELU's output, whose range differs from row to row: always a scale a row, one-sided.

Without calibration every site has a scale a row. A post-norm encoder cannot take smoothing factors into its
norm, because the residual shares it: a Mul stays.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np

from triton_rag_export.graph.bert_weights import Activation
from triton_rag_export.graph.linear import (
    Floats,
    LinearWeights,
    Precision,
    QuantizedRows,
    float_linear,
    quantize_one_sided_rows,
    quantize_rows,
    quantized_linear,
    row_zero_points,
    smoothing_factors,
    static_linear,
    taken,
)
from triton_rag_export.graph.onnx_builder import GraphBuilder

Site = Literal["qkv", "output", "ff1", "ff2"]
Int8Method = Literal["static", "rows"]

ALPHA = 0.75
"""How much of the unevenness smoothing moves into the weights; chosen from 0.5 to 0.9 on
MiniLM-L6."""

ONE_SIDED: Mapping[Activation, tuple[float, int]] = {
    "gelu": (-0.1701, 24),
    "gelu_tanh": (-0.1701, 24),
    "relu": (-1e-6, 1),
}
"""A little less than the smallest value of each activation, and the byte that means zero."""

AbsoluteMaxima = Mapping[tuple[int, Site], Floats]
"""What calibration saw: the largest absolute activation of each input channel, by layer and site."""


class EncoderLinear(Protocol):
    """One way to compute linear layers."""

    def apply(self, rows: str, weights: LinearWeights, layer: int, site: Site, *, indexes: str = "") -> str:
        """Add `rows @ weight + bias` to the graph.

        Args:
            rows: `(tokens, inputs)`.
            weights: the layer.
            layer: which block.
            site: which of its layers.
            indexes: compute these rows only, in their order and shape; by default all.
        """


@dataclass(slots=True)
class FloatLinear:
    """FP32 arithmetic; with `probes`, each layer's input is kept as a value that calibration can ask for."""

    builder: GraphBuilder
    precision: Precision = "fp32"
    probes: dict[str, tuple[int, Site]] | None = None

    def apply(self, rows: str, weights: LinearWeights, layer: int, site: Site, *, indexes: str = "") -> str:
        """See `EncoderLinear`."""
        if self.probes is not None:
            axis = self.builder.constant([0], np.int64)
            largest = self.builder.apply("ReduceMax", self.builder.apply("Abs", rows), axis, keepdims=0)
            self.probes[self.builder.output(largest, np.float32, [weights.weight.shape[0]])] = (layer, site)
        if indexes:
            rows = self.builder.apply("Gather", rows, indexes)
        return float_linear(self.builder, rows, weights, precision=self.precision, label=site)


class Int8Linear:
    """INT8, every token's result independent of the other tokens.

    Args:
        builder: the graph.
        tokens: a value whose first dimension is the tokens.
        activation: what stands before ff2.
        absolute_maxima: from calibration, or None: then no smoothing, and every site has a scale a row.
        method: "static": qkv and ff1 have one scale; "rows": a scale a row, for activations with outliers.
    """

    def __init__(
        self,
        builder: GraphBuilder,
        tokens: str,
        activation: Activation,
        absolute_maxima: AbsoluteMaxima | None = None,
        method: Int8Method = "static",
    ) -> None:
        self._builder = builder
        self._zero_points = row_zero_points(builder, tokens)
        self._lowest, self._low_zero_point = ONE_SIDED[activation]
        self._low_zero_points = row_zero_points(builder, tokens, self._low_zero_point)
        self._absolute_maxima = absolute_maxima
        self._method = method

    def apply(self, rows: str, weights: LinearWeights, layer: int, site: Site, *, indexes: str = "") -> str:
        """See `EncoderLinear`."""
        if site == "ff2":
            return quantized_linear(self._builder, self._one_sided(rows), weights, label=site)
        if site != "output" and self._absolute_maxima is not None:
            absolute_maxima = self._absolute_maxima[layer, site]
            factors = smoothing_factors(absolute_maxima, weights.weight, ALPHA)
            rows = self._builder.apply("Mul", rows, self._builder.constant(1 / factors, np.float32))
            weights = weights.smoothed(factors)
            if self._method == "static":
                scale = max(float((absolute_maxima / factors).max()), 1e-6) / 127
                return static_linear(
                    self._builder, rows, weights, activation_scale=scale, indexes=indexes, label=site
                )
        quantized = quantize_rows(self._builder, rows, self._zero_points, label=f"{site}_rows")
        if indexes:
            quantized = taken(self._builder, quantized, indexes)
        return quantized_linear(self._builder, quantized, weights, label=site)

    def _one_sided(self, rows: str) -> QuantizedRows:
        return quantize_one_sided_rows(
            self._builder,
            rows,
            self._low_zero_points,
            lowest=self._lowest,
            zero_point=self._low_zero_point,
            label="ff2_rows",
        )
