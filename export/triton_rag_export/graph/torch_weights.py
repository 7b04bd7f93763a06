"""Weights and names of transformers models as the descriptions of graphs hold them."""

from typing import Any

import numpy as np

from triton_rag_export.errors import UnsupportedModelError
from triton_rag_export.graph.encoder_decoder_model import Activation
from triton_rag_export.graph.linear import Floats, LinearWeights

ACTIVATIONS: dict[str, Activation] = {
    "relu": "relu",
    "gelu": "gelu",
    "gelu_new": "gelu_tanh",
    "silu": "silu",
    "swish": "silu",
}
"""The activations of encoder-decoder graphs by transformers' names."""


def array_of(tensor: Any) -> Floats:
    """A torch tensor as a float32 array."""
    return np.asarray(tensor.detach().cpu().numpy(), dtype=np.float32)


def linear_of(module: Any) -> LinearWeights:
    """A torch `Linear`, laid out for `rows @ weight`."""
    return LinearWeights(array_of(module.weight).T, None if module.bias is None else array_of(module.bias))


def start_token_ids_of(model: Any) -> tuple[int, ...]:
    """What an encoder-decoder model's decoder reads first: its start token, and one that is forced.

    Raises:
        UnsupportedModelError: the model names no start token.
    """
    found = []
    for name in ("decoder_start_token_id", "forced_bos_token_id"):
        token_id = getattr(model.generation_config, name, None)
        if token_id is None:
            token_id = getattr(model.config, name, None)
        found.append(token_id)
    start, forced = found
    if not isinstance(start, int):
        raise uncovered(model.config, "decoder_start_token_id", start, "one token id")
    return (start,) if forced is None else (start, int(forced))


def uncovered(config: Any, setting: str, value: object, allowed: str) -> UnsupportedModelError:
    """The error for a setting that encoder-decoder graphs do not compute."""
    return UnsupportedModelError(
        f"the encoder-decoder graphs do not cover {setting} = {value!r} of this {config.model_type} model; "
        f"allowed: {allowed}; choose another model"
    )
