"""Linear layers of two matrices: `x @ first @ second + bias`, of a rank that is smaller than either width.

Low-rank compression leaves such layers. They are built from two plain ones, so that every precision that a
plain layer has is theirs: in INT8 the few channels in between get a scale a row of their own, as every other
row does. What changes a layer's inputs changes the first matrix, what changes its outputs the second.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from triton_rag_export.graph.linear import Floats, LinearWeights

ChangeChannels = Callable[[Floats], Floats]
"""Changes the channels of rows: (rows, channels) to (rows, channels that may be others)."""


@dataclass(frozen=True, slots=True)
class FactorizedWeights:
    """`y = x @ first @ second + bias`.

    Attributes:
        first: (inputs, rank), without a bias.
        second: (rank, outputs), with the layer's bias.
    """

    first: LinearWeights
    second: LinearWeights

    @property
    def bias(self) -> Floats | None:
        """The layer's bias, (outputs,)."""
        return self.second.bias

    def smoothed(self, factors: Floats) -> "FactorizedWeights":
        """The layer for inputs that were divided by `factors` `(inputs,)`."""
        return replace(self, first=self.first.smoothed(factors))


Linear = LinearWeights | FactorizedWeights


def reading_matrix(layer: Linear) -> Floats:
    """The matrix that a layer's inputs meet, (inputs, outputs or rank)."""
    return (layer.first if isinstance(layer, FactorizedWeights) else layer).weight


def writing_matrix(layer: Linear) -> Floats:
    """The matrix that gives a layer's outputs, (inputs or rank, outputs)."""
    return (layer.second if isinstance(layer, FactorizedWeights) else layer).weight


def width_of(layer: Linear) -> int:
    """How many outputs a layer has."""
    return int(writing_matrix(layer).shape[1])


def rank_of(layer: Linear) -> int | None:
    """The channels between a layer's two matrices; None of a layer with one."""
    return int(layer.first.weight.shape[1]) if isinstance(layer, FactorizedWeights) else None


def with_bias(layer: Linear, bias: Floats) -> Linear:
    """The layer with another bias, (outputs,)."""
    if isinstance(layer, FactorizedWeights):
        return replace(layer, second=replace(layer.second, bias=bias))
    return replace(layer, bias=bias)


def with_outputs(layer: Linear, change: ChangeChannels) -> Linear:
    """The layer with its output channels changed, those of its bias as well."""
    if isinstance(layer, FactorizedWeights):
        return replace(layer, second=_with_plain_outputs(layer.second, change))
    return _with_plain_outputs(layer, change)


def _with_plain_outputs(layer: LinearWeights, change: ChangeChannels) -> LinearWeights:
    bias = None if layer.bias is None else change(layer.bias[None])[0]
    return LinearWeights(change(layer.weight), bias)
