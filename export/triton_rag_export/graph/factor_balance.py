"""Before INT8: even out the channels between the two factors of a linear layer.

What the first factor gives gets a scale a row, so that a few large channels would leave the others few of its
steps; low-rank compression puts the largest singular values first. Each channel is divided by a factor in the
first matrix and multiplied by it in the second (SmoothQuant's, as in `smoothing`), by powers of two: no
product is rounded differently then, and the model stays the same to the last bit.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from triton_rag_export.graph.linear import smoothing_factors
from triton_rag_export.graph.smoothing import ALPHA, RangeGatherer
from triton_rag_export.graph.torch_weights import array_of


def balance_factors(model: Any, calls: Iterable[Mapping[str, Any]], alpha: float = ALPHA) -> None:
    """Even out a transformers model's factorized layers; a model without any is not run.

    Args:
        model: the model, in float32, changed in place.
        calls: what it is called with, for each calibration text.
        alpha: 0 leaves the channels as they are, 1 makes all of them equally large.
    """
    import torch

    from triton_rag_export.compress import FactorizedLinear

    layers = [module for module in model.modules() if isinstance(module, FactorizedLinear)]
    if not layers:
        return
    ranges = RangeGatherer()
    hooks = [layer.second.register_forward_pre_hook(ranges) for layer in layers]
    try:
        with torch.inference_mode():
            for call in calls:
                model(**call, use_cache=False)
    finally:
        for hook in hooks:
            hook.remove()
    with torch.no_grad():
        for layer in layers:
            factors = smoothing_factors(ranges.range_of(layer.second), array_of(layer.second.weight).T, alpha)
            steps = torch.from_numpy(np.exp2(np.rint(np.log2(factors))))  # (rank,)
            layer.first.weight /= steps[:, None]
            layer.second.weight *= steps
