"""A table of relative position biases for each layer of a T5, so that layers may keep different heads.

T5 has one table in the first layer of a stack, and hands what was looked up there from layer to layer: layers
with fewer heads, or a stack that has lost its first layer, cannot use it. With a table each, of as many
columns as the layer has heads, every layer looks up its own.
"""

from typing import Any

import torch
from torch import nn

TABLE = "relative_attention_bias"


def give_own_bias_tables(stack: Any) -> None:
    """Give every layer of a T5 stack its own copy of the table; a stack that has them stays as it is.

    The stack computes what it did. Cut columns out of a layer's table with its heads.

    Args:
        stack: `encoder` or `decoder` of a T5 model.
    """
    attentions = [block.layer[0].SelfAttention for block in stack.block]
    shared = getattr(attentions[0], TABLE)
    for attention in attentions:
        if not hasattr(attention, TABLE):
            own = nn.Embedding(*shared.weight.shape).to(shared.weight)
            own.load_state_dict(shared.state_dict())
            setattr(attention, TABLE, own)
            attention.has_relative_attention_bias = True
    for block in stack.block:
        for attention in _attentions(block):
            if _forget_bias not in attention._forward_pre_hooks.values():
                attention.register_forward_pre_hook(_forget_bias, with_kwargs=True)


def _attentions(block: Any) -> list[Any]:
    """Attention over the stack's own tokens and over the source, whose biases are zeros, one a head."""
    return [
        attention
        for part in block.layer
        for name in ("SelfAttention", "EncDecAttention")
        if (attention := getattr(part, name, None)) is not None
    ]


def _forget_bias(_: Any, inputs: tuple[torch.Tensor, ...], settings: dict[str, Any]) -> Any:
    """Drop the bias of the layer before."""
    return inputs, {**settings, "position_bias": None}
