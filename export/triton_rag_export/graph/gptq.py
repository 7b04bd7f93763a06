"""GPTQ (Frantar et al., 2022, https://arxiv.org/abs/2210.17323): round a layer's weights one input after the
other, and let the weights not yet rounded make up for the error.

What counts is the layer's output over calibration rows X, `|X (weight - rounded)|^2`, whose curvature is the
Hessian X^T X. The inputs with the largest activations are rounded first, while most of the others are still
free to answer; each block's grid is fixed beforehand from the float weights, so that order and blocks do not
disturb each other.
"""

import numpy as np
import numpy.typing as npt

from triton_rag_export.graph.block_grid import BlockGrid, BlockLinear, Codes, rounded
from triton_rag_export.graph.linear import Floats, LinearWeights

Doubles = npt.NDArray[np.float64]

DAMPING = 0.01
"""Added to the Hessian's diagonal, as a share of its mean: directions that calibration hardly saw, such as an
input that was always zero, are rounded plainly instead of being bent to follow the others."""
INPUTS_AT_ONCE = 128


def gptq(layer: LinearWeights, hessian: Doubles, *, bits: int, block_size: int) -> BlockLinear:
    """Quantize a layer so that its outputs stay close on rows like those it was calibrated with.

    Each output channel keeps plain rounding where that happens to be closer, so the error over the
    calibration rows is never larger than rounding's.

    Args:
        layer: weights and bias.
        hessian: X^T X of its calibration rows X, (inputs, inputs).
        bits: of a weight.
        block_size: inputs that share a scale and a zero point.
    """
    plain = rounded(layer, bits=bits, block_size=block_size)
    codes = _compensated(layer.weight, _damped(hessian), plain.grid)
    compensated = BlockLinear.of(codes, plain.grid, layer.bias)
    closer = output_errors(layer, compensated, hessian) <= output_errors(layer, plain, hessian)
    return BlockLinear.of(np.where(closer, codes, plain.codes), plain.grid, layer.bias)


def output_errors(layer: LinearWeights, quantized: LinearWeights, hessian: Doubles) -> Doubles:
    """The squared error of each output channel, summed over the calibration rows, (outputs,)."""
    difference = quantized.weight.astype(np.float64) - layer.weight
    return np.asarray((difference * (hessian @ difference)).sum(axis=0), dtype=np.float64)


def _damped(hessian: Doubles) -> Doubles:
    mean = float(np.diag(hessian).mean())
    return hessian + np.eye(len(hessian)) * (DAMPING * mean if mean > 0 else 1.0)


def _compensated(weight: Floats, hessian: Doubles, grid: BlockGrid) -> Codes:
    """GPTQ's codes, (inputs, outputs)."""
    order = np.argsort(-np.diag(hessian), kind="stable")
    # Row j says how an error at input j is spread over the inputs after it.
    spread = np.linalg.cholesky(np.linalg.inv(hessian[np.ix_(order, order)])).T
    left = weight.astype(np.float64)[order]  # what rounding should give, in the order of rounding
    codes = np.empty(weight.shape, np.uint8)
    for start in range(0, len(order), INPUTS_AT_ONCE):
        end = min(start + INPUTS_AT_ONCE, len(order))
        errors = np.empty((end - start, weight.shape[1]))
        for place in range(start, end):
            which = order[place : place + 1]
            codes[which] = grid.nearest(left[place : place + 1], which)
            error = (left[place] - grid.values(codes[which], which)[0]) / spread[place, place]
            left[place + 1 : end] -= np.outer(spread[place, place + 1 : end], error)
            errors[place - start] = error
        left[end:] -= spread[start:end, end:].T @ errors
    return codes
