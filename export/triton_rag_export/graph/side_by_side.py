"""Linear layers that read the same rows, such as query, key and value, as one: one product for all."""

from collections.abc import Sequence

import numpy as np

from triton_rag_export.graph.block_grid import BlockLinear, beside
from triton_rag_export.graph.linear import LinearWeights, bias_of


def side_by_side(layers: Sequence[LinearWeights]) -> LinearWeights:
    """One layer that does the work of several which read the same rows."""
    bias = None
    if any(layer.bias is not None for layer in layers):
        bias = np.concatenate([bias_of(layer) for layer in layers])
    on_grids = [layer for layer in layers if isinstance(layer, BlockLinear)]
    if len(on_grids) == len(layers):
        return beside(on_grids, bias)
    return LinearWeights(np.concatenate([layer.weight for layer in layers], axis=1), bias)
