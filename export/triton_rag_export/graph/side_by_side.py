"""Several linear layers that read the same rows, such as query, key and value: one product for all of them.

A step has fewer operations that way. Layers of two factors have nothing to share and are built one by one.
"""

from collections.abc import Callable, Sequence

import numpy as np

from triton_rag_export.graph.factors import Linear
from triton_rag_export.graph.linear import LinearWeights, bias_of
from triton_rag_export.graph.nbits import BlockLinear, beside
from triton_rag_export.graph.onnx_builder import GraphBuilder


def linear_side_by_side(
    graph: GraphBuilder, layers: Sequence[Linear], build: Callable[[Linear, str], str], label: str
) -> str:
    """What the layers give, side by side, (rows, outputs of all).

    Args:
        graph: gathers the nodes.
        layers: that read the same rows.
        build: builds a layer over these rows, given it and a label.
        label: name of the nodes.
    """
    plain = [layer for layer in layers if isinstance(layer, LinearWeights)]
    if len(plain) == len(layers):
        return build(side_by_side(plain), label)
    parts = [build(layer, f"{label}_{number}") for number, layer in enumerate(layers)]
    return graph.apply("Concat", *parts, axis=-1, label=label)


def side_by_side(layers: Sequence[LinearWeights]) -> LinearWeights:
    """One layer that does the work of several which read the same rows."""
    bias = None
    if any(layer.bias is not None for layer in layers):
        bias = np.concatenate([bias_of(layer) for layer in layers])
    on_grids = [layer for layer in layers if isinstance(layer, BlockLinear)]
    if len(on_grids) == len(layers):
        return beside(on_grids, bias)
    return LinearWeights(np.concatenate([layer.weight for layer in layers], axis=1), bias)
