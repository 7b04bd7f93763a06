"""Whole numbers pretended in floats, so that a model can be trained for the INT8 graph it will be.

`Q(x) = round(x / S)`, symmetric around zero, -127 to 127, half to even. Weights have a scale an output
channel, activations a scale a row, just as the exported graph has them (`graph/linear.py`): `S` is the
largest absolute value / 127. Rounding has no useful gradient, so the backward pass takes it for the identity
(the straight-through estimator: Bengio et al., 2013, https://arxiv.org/abs/1308.3432). Nothing is ever
clipped, because the largest value sets the scale, so that the identity holds for every value.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from triton_rag_export.compress.factorized_linear import FactorizedLinear
from triton_rag_export.compress.model_parts import plain_linears

LARGEST = 127


def scale_of(values: torch.Tensor) -> torch.Tensor:
    """What one step is worth in each row of the last dimension, (..., 1); 1 where it would be 0."""
    scale = values.abs().amax(-1, keepdim=True) / LARGEST
    return torch.where(scale > 0, scale, torch.ones_like(scale))


def quantize(values: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    """`Q(x) = round(x / S)`, within -127 to 127, as floats."""
    return (values / scale).round().clamp(-LARGEST, LARGEST)


def fake_quantize(values: torch.Tensor) -> torch.Tensor:
    """`S * Q(x)` with a scale for each row of the last dimension; its gradient is that of `x`.

    For a weight (outputs, inputs) a row is an output channel, for activations (..., channels) a token.
    """
    with torch.no_grad():
        scale = scale_of(values)
        rounded = quantize(values, scale) * scale
    return rounded + (values - values.detach())  # the bracket is zero, and brings the gradient


class FakeQuantizedLinear(nn.Linear):
    """A linear layer that computes what its INT8 node will; its weight stays a float that can be trained."""

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """Rows (..., inputs) to rows (..., outputs)."""
        return nn.functional.linear(fake_quantize(rows), fake_quantize(self.weight), self.bias)


@contextmanager
def fake_quantized(model: Any) -> Iterator[None]:
    """Let all layers that INT8 will compute in bytes pretend to, for training or to see what INT8 loses.

    These are `quantized_linears`. The parameters
    stay the same objects, under the same names: tied ones stay tied, and the model can be saved at any time.

    Args:
        model: a transformers model.
    """
    layers = quantized_linears(model)
    for layer in layers:
        layer.__class__ = FakeQuantizedLinear
    try:
        yield
    finally:
        for layer in layers:
            layer.__class__ = nn.Linear


def quantized_linears(model: Any) -> list[nn.Linear]:
    """The matrices of a model that its INT8 graph keeps in bytes."""
    layers = [model.get_submodule(name) for name in plain_linears(model)]
    head = model.get_output_embeddings()
    if isinstance(head, FactorizedLinear):
        return [*layers, head.first, head.second]
    return [*layers, head] if isinstance(head, nn.Linear) else layers
