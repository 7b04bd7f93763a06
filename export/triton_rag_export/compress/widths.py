"""Linear layers of other widths inside a transformers model, and what the modules around them know of it."""

from collections import defaultdict
from typing import Any

import torch
from torch import nn

from triton_rag_export.compress.factorized_linear import FactorizedLinear
from triton_rag_export.compress.model_parts import neuron_units, neurons_key, outputs_of, stacks_of
from triton_rag_export.errors import UnsupportedModelError


def resized(linear: nn.Linear, inputs: int, outputs: int) -> nn.Linear:
    """A linear layer of other widths, of the same type and place; its weights mean nothing yet."""
    return nn.Linear(inputs, outputs, bias=linear.bias is not None).to(linear.weight)


def cut_channels(
    linear: nn.Module, *, inputs: torch.Tensor | None = None, outputs: torch.Tensor | None = None
) -> nn.Module:
    """A linear layer, of one matrix or of two, that has kept some of its channels.

    Args:
        linear: the layer; it is left as it is.
        inputs: which input channels stay, (kept,); default all.
        outputs: which output channels stay, (kept,); default all.
    """
    if isinstance(linear, FactorizedLinear):
        cut = FactorizedLinear(1, 1, 1)
        cut.first = _cut_plain(linear.first, inputs, None)
        cut.second = _cut_plain(linear.second, None, outputs)
        return cut
    assert isinstance(linear, nn.Linear)
    return _cut_plain(linear, inputs, outputs)


def match_widths(model: Any) -> None:
    """Tell the attention modules of a model how many heads their layers have now.

    Call it after heads were cut out: transformers took the numbers from the configuration.

    Args:
        model: of the BERT or Llama family, T5 or BART.
    """
    for module in model.modules():
        if hasattr(module, "num_key_value_groups"):  # the Llama family
            module.num_key_value_groups = outputs_of(module.q_proj) // outputs_of(module.k_proj)
        elif hasattr(module, "key_value_proj_dim") and hasattr(module, "n_heads"):  # T5
            module.inner_dim = outputs_of(module.q)
            module.n_heads = module.inner_dim // module.key_value_proj_dim
        elif hasattr(module, "out_proj") and hasattr(module, "num_heads"):  # BART
            module.num_heads = outputs_of(module.q_proj) // module.head_dim
        elif hasattr(module, "attention_head_size") and hasattr(module, "query"):  # BERT
            module.all_head_size = outputs_of(module.query)
            module.num_attention_heads = module.all_head_size // module.attention_head_size
        elif hasattr(module, "attention_head_size") and hasattr(module, "q_lin"):  # DistilBERT
            module.n_heads = outputs_of(module.q_lin) // module.attention_head_size


def count_neurons(model: Any) -> None:
    """Tell the configuration of a model how wide its feed-forward blocks are, where all of them are as wide.

    Then transformers makes such a model by itself. A family that compression does not cover is left alone.
    """
    try:
        stacks = stacks_of(model)
    except UnsupportedModelError:
        return
    widths: dict[str, set[int]] = defaultdict(set)
    for stack, layers in stacks.items():
        of_stack = [units.count for units in neuron_units(model) if units.layer.startswith(f"{layers}.")]
        widths[neurons_key(model, stack)].update(of_stack)
    for key, counts in widths.items():
        if len(counts) == 1:
            setattr(model.config, key, counts.pop())


def _cut_plain(linear: nn.Linear, inputs: torch.Tensor | None, outputs: torch.Tensor | None) -> nn.Linear:
    weight: torch.Tensor = linear.weight.detach()
    bias: torch.Tensor | None = None if linear.bias is None else linear.bias.detach()
    if outputs is not None:
        weight, bias = weight[outputs], None if bias is None else bias[outputs]
    if inputs is not None:
        weight = weight[:, inputs]
    cut = resized(linear, weight.shape[1], weight.shape[0])
    with torch.no_grad():
        cut.weight.copy_(weight)
        if bias is not None:
            cut.bias.copy_(bias)
    return cut
