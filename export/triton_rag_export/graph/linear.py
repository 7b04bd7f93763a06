"""The weights of linear layers, and their quantization.

Rows of many sequences lie under one another, `(rows, inputs)`, without padding. In INT8 the weights have one
scale a column (output channel) and the activations one scale a row, so that a row's result depends on that
row alone: neither its accuracy nor a single bit changes with its neighbours, which one scale a call
(`DynamicQuantizeMatMul`) cannot give. No operator of ONNX Runtime takes a scale a row; ours does
(`linear_node.py`).

Smoothing is SmoothQuant's (Xiao et al., 2023, https://arxiv.org/abs/2211.10438): outlier channels of the
activations are divided by a factor that the weights take over.
"""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

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


def bias_of(layer: LinearWeights) -> Floats:
    """The layer's bias, zeros if it has none."""
    return layer.bias if layer.bias is not None else np.zeros(layer.weight.shape[1], dtype=np.float32)


def quantize_weight(weight: Floats) -> tuple[npt.NDArray[np.int8], Floats]:
    """Quantize symmetrically to -127..127 with one scale an output channel.

    Args:
        weight: `(inputs, outputs)`.

    Returns:
        The bytes `(inputs, outputs)` and the scales `(outputs,)`; a channel of zeros gets scale 1, and so
        does one of numbers so small that their scale is none of float32: its bytes are zeros.
    """
    scale = (np.abs(weight).max(axis=0) / 127).astype(np.float32)
    scale = np.where(scale > 0, scale, np.float32(1))
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
