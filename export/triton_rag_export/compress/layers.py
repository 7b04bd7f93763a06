"""Whole layers dropped from a transformers model."""

from collections.abc import Sequence
from typing import Any

from torch import nn

from triton_rag_export.compress.bias_tables import give_own_bias_tables
from triton_rag_export.compress.model_parts import counts_of, stacks_of


def keep_layers(model: Any, kept: Sequence[int], *, stack: str | None = None) -> None:
    """Drop all other layers of a model, and count the rest anew.

    Args:
        model: of the BERT or Llama family, T5 or BART, changed in place.
        kept: which layers stay, in ascending order, at least one.
        stack: "encoder" or "decoder"; default the decoder where there is one.

    Raises:
        ValueError: no layer, unknown ones, or another order; or a stack that the model does not have.
        UnsupportedModelError: another family.
    """
    stack = stack or list(stacks_of(model))[-1]
    layers = layers_of(model, stack)
    parent, _, name = stacks_of(model)[stack].rpartition(".")
    body = model.get_submodule(parent)
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


def layers_of(model: Any, stack: str | None = None) -> nn.ModuleList:
    """The layers of a model, in order.

    Args:
        model: of the BERT or Llama family, T5 or BART.
        stack: "encoder" or "decoder"; default the decoder where there is one.

    Raises:
        ValueError: a stack that the model does not have.
        UnsupportedModelError: another family.
    """
    stacks = stacks_of(model)
    stack = stack or list(stacks)[-1]
    if stack not in stacks:
        raise ValueError(f"stack is {stack!r}; allowed with {model.config.model_type}: {', '.join(stacks)}")
    return model.get_submodule(stacks[stack])  # type: ignore[no-any-return]


def _count(model: Any, body: Any, kept: Sequence[int], stack: str) -> None:
    config = model.config
    for name in counts_of(model, stack):
        setattr(config, name, len(kept))
    if getattr(config, "layer_types", None):
        config.layer_types = [config.layer_types[index] for index in kept]
    if getattr(body, "config", config) is not config:  # a T5 stack has its own
        body.config.num_layers = len(kept)
