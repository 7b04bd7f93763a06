"""Linear layers of other widths inside a transformers model, and what the modules around them know of it."""

from typing import Any

from torch import nn


def resized(linear: nn.Linear, inputs: int, outputs: int) -> nn.Linear:
    """A linear layer of other widths, of the same type and place; its weights mean nothing yet."""
    return nn.Linear(inputs, outputs, bias=linear.bias is not None).to(linear.weight)


def match_widths(model: Any) -> None:
    """Tell the attention modules of a model how many heads their layers have now.

    Call it after heads were cut out: transformers took the numbers from the configuration.

    Args:
        model: of the Llama family, T5 or BART.
    """
    for module in model.modules():
        if hasattr(module, "num_key_value_groups"):  # the Llama family
            module.num_key_value_groups = outputs_of(module.q_proj) // outputs_of(module.k_proj)
        elif hasattr(module, "key_value_proj_dim") and hasattr(module, "n_heads"):  # T5
            module.inner_dim = outputs_of(module.q)
            module.n_heads = module.inner_dim // module.key_value_proj_dim
        elif hasattr(module, "out_proj") and hasattr(module, "num_heads"):  # BART
            module.num_heads = outputs_of(module.q_proj) // module.head_dim


def outputs_of(linear: Any) -> int:
    """How many channels a linear layer gives, of one matrix or of two."""
    return int(linear.weight.shape[0])
