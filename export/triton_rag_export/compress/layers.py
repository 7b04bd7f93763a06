"""Whole layers dropped from a transformers model."""

from collections.abc import Sequence
from typing import Any

from torch import nn

from triton_rag_export.compress.bias_tables import give_own_bias_tables

_COUNTS: dict[str, dict[str, tuple[str, ...]]] = {
    "t5": {"encoder": ("num_layers",), "decoder": ("num_decoder_layers",)},
    "bart": {"encoder": ("encoder_layers", "num_hidden_layers"), "decoder": ("decoder_layers",)},
}
"""Names under which configurations of encoder-decoder models count the layers of a stack."""


def keep_layers(model: Any, kept: Sequence[int], *, stack: str = "decoder") -> None:
    """Drop all other layers of a model, and count the rest anew.

    Args:
        model: of the Llama family, T5 or BART, changed in place.
        kept: which layers stay, in ascending order, at least one.
        stack: "encoder" or "decoder"; a model of the Llama family has a decoder alone.

    Raises:
        ValueError: no layer, unknown ones, or another order.
    """
    body, name = _layers_of(model, stack)
    layers: nn.ModuleList = getattr(body, name)
    if not kept or sorted(set(kept)) != list(kept) or not 0 <= kept[0] <= kept[-1] < len(layers):
        raise ValueError(f"kept is {list(kept)}; allowed: some of 0 to {len(layers) - 1}, in ascending order")
    if name == "block":
        give_own_bias_tables(body)
    setattr(body, name, nn.ModuleList(layers[index] for index in kept))
    for index, layer in enumerate(getattr(body, name)):
        for module in layer.modules():
            if hasattr(module, "layer_idx"):
                module.layer_idx = index
    _count(model, body, kept, stack)


def _layers_of(model: Any, stack: str) -> tuple[Any, str]:
    """The module that has a stack's layers, and the name of their list in it."""
    if hasattr(model, "decoder"):
        return getattr(model, stack), "block"
    return (getattr(model.model, stack) if hasattr(model.model, "decoder") else model.model), "layers"


def _count(model: Any, body: Any, kept: Sequence[int], stack: str) -> None:
    config, family = model.config, model.config.model_type
    if not config.is_encoder_decoder:
        config.num_hidden_layers = len(kept)
        if getattr(config, "layer_types", None):
            config.layer_types = [config.layer_types[index] for index in kept]
        return
    for name in _COUNTS["t5" if family.endswith("t5") else "bart"][stack]:
        setattr(config, name, len(kept))
    if body.config is not config:  # a T5 stack has its own
        body.config.num_layers = len(kept)
