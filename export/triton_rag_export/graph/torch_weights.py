"""Weights of transformers models as the descriptions of graphs hold them."""

from typing import Any

import numpy as np

from triton_rag_export.errors import UnsupportedModelError
from triton_rag_export.graph.factors import FactorizedWeights, Linear
from triton_rag_export.graph.linear import Floats, LinearWeights


def array_of(tensor: Any) -> Floats:
    """A torch tensor as a float32 array."""
    return np.asarray(tensor.detach().cpu().numpy(), dtype=np.float32)


def linear_of(module: Any) -> Linear:
    """A torch `Linear` or a `FactorizedLinear`, laid out for `rows @ weight`."""
    from triton_rag_export.compress import FactorizedLinear

    if isinstance(module, FactorizedLinear):
        return FactorizedWeights(_plain(module.first), _plain(module.second))
    return _plain(module)


def uncovered(config: Any, setting: str, value: object, allowed: str) -> UnsupportedModelError:
    """The error for a setting that the graphs of a generator do not compute."""
    return UnsupportedModelError(
        f"the generator's graphs do not cover {setting} = {value!r} of this {config.model_type} model; "
        f"allowed: {allowed}; choose another model"
    )


def _plain(module: Any) -> LinearWeights:
    return LinearWeights(array_of(module.weight).T, None if module.bias is None else array_of(module.bias))
