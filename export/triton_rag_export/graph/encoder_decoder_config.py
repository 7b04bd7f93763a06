"""What the configuration of an encoder-decoder model says, whatever family it is of."""

from typing import Any

from triton_rag_export.graph.encoder_decoder_model import Activation
from triton_rag_export.graph.torch_weights import uncovered

ACTIVATIONS: dict[str, Activation] = {
    "relu": "relu",
    "gelu": "gelu",
    "gelu_new": "gelu_tanh",
    "silu": "silu",
    "swish": "silu",
}
"""The activations of encoder-decoder graphs by transformers' names."""


def covered_activation(config: Any, families: frozenset[str], name: str, setting: str) -> Activation:
    """The activation of a model of one of these families.

    Args:
        config: the model's.
        families: model types that are read the same way.
        name: of the activation, as transformers calls it.
        setting: what the configuration calls it.

    Raises:
        UnsupportedModelError: another family, or an activation that the graphs do not compute.
    """
    if config.model_type not in families:
        raise uncovered(config, "model_type", config.model_type, ", ".join(sorted(families)))
    if name not in ACTIVATIONS:
        raise uncovered(config, setting, getattr(config, setting), ", ".join(ACTIVATIONS))
    return ACTIVATIONS[name]


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
