"""INT4 for a causal model: GPTQ from the first layer to the last, each calibrated on what it will read.

The texts go through the model a layer at a time. Within a layer, what reads the same rows is quantized
together, and the next group sees rows that already went through quantized weights: so it makes up for its
predecessors' errors as well. Memory beside the model: one layer's copy, one Hessian, and the texts' hidden
states.
"""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from triton_rag_export.graph.block_grid import BlockLinear
from triton_rag_export.graph.causal_model import CausalModel, DecoderLayer
from triton_rag_export.graph.factors import FactorizedWeights, Linear, reading_matrix
from triton_rag_export.graph.gptq import Doubles, gptq
from triton_rag_export.graph.linear import LinearWeights

BITS = 4
BLOCK_SIZE = 32

Quantize = Callable[[LinearWeights, Doubles], BlockLinear]
"""Quantizes a layer, given X^T X of the rows X that it reads."""

_READERS_OF_THE_SAME_ROWS = (("query", "key", "value"), ("attention_output",), ("gate", "up"), ("down",))


class _Reached(Exception):  # noqa: N818 - stops a forward pass where the wanted rows are known
    """A forward pass has come as far as it is needed."""


@dataclass(frozen=True, slots=True)
class _LayerCall:
    """What a layer of transformers is called with for one text."""

    hidden: Any  # (1, tokens, hidden)
    settings: dict[str, Any]


def by_gptq(layer: LinearWeights, hessian: Doubles) -> BlockLinear:
    """4 bits by GPTQ, in the blocks that the operator reads."""
    return gptq(layer, hessian, bits=BITS, block_size=BLOCK_SIZE)


def quantize_layers(
    described: CausalModel, model: Any, sequences: Sequence[Sequence[int]], quantize: Quantize = by_gptq
) -> CausalModel:
    """The model with the linear layers of its decoder quantized; embedding and head stay as they are.

    Args:
        described: what to quantize.
        model: the transformers model that it was read from, in float32; it is left as it is.
        sequences: token ids of the calibration texts, at least one.
        quantize: by what method.
    """
    import torch

    with torch.inference_mode():
        calls = [_first_call(model, sequence) for sequence in sequences]
        layers = []
        for layer, original in zip(described.layers, model.model.layers, strict=True):
            module = copy.deepcopy(original)
            layers.append(_quantized_layer(layer, module, calls, quantize))
            calls = [replace(call, hidden=module(call.hidden, **call.settings)) for call in calls]
    return replace(described, layers=tuple(layers))


def _first_call(model: Any, sequence: Sequence[int]) -> _LayerCall:
    """What the first layer is called with; masks and positions are the same for all layers."""
    import torch

    found: list[_LayerCall] = []

    def stop(_: Any, inputs: tuple[Any, ...], settings: dict[str, Any]) -> None:
        found.append(_LayerCall(inputs[0], settings))
        raise _Reached

    hook = model.model.layers[0].register_forward_pre_hook(stop, with_kwargs=True)
    try:
        model(torch.tensor([list(sequence)]), use_cache=False)
    except _Reached:
        pass
    finally:
        hook.remove()
    return found[0]


def _quantized_layer(
    layer: DecoderLayer, module: Any, calls: Sequence[_LayerCall], quantize: Quantize
) -> DecoderLayer:
    """The layer, quantized group by group; `module` gets its weights as well."""
    attention, feed_forward = module.self_attn, module.mlp
    modules = {
        "query": attention.q_proj,
        "key": attention.k_proj,
        "value": attention.v_proj,
        "attention_output": attention.o_proj,
        "gate": feed_forward.gate_proj,
        "up": feed_forward.up_proj,
        "down": feed_forward.down_proj,
    }
    done: dict[str, Linear] = {}
    for names in _READERS_OF_THE_SAME_ROWS:
        inputs = len(reading_matrix(getattr(layer, names[0])))
        hessian = _hessian(module, modules[names[0]], inputs, calls)
        for name in names:
            plain = getattr(layer, name)
            if isinstance(plain, FactorizedWeights):
                done[name] = _quantized_factors(plain, module, modules[name], hessian, calls, quantize)
            else:
                done[name] = _quantized_matrix(plain, modules[name], hessian, quantize)
    return replace(
        layer,
        query=done["query"],
        key=done["key"],
        value=done["value"],
        attention_output=done["attention_output"],
        gate=done["gate"],
        up=done["up"],
        down=done["down"],
    )


def _quantized_matrix(plain: LinearWeights, module: Any, hessian: Doubles, quantize: Quantize) -> BlockLinear:
    """A linear layer, quantized; its module gets the weights as well."""
    import torch

    on_grid = quantize(plain, hessian)
    module.weight.copy_(torch.from_numpy(on_grid.weight.T))
    return on_grid


def _quantized_factors(
    plain: FactorizedWeights,
    layer: Any,
    module: Any,
    hessian: Doubles,
    calls: Sequence[_LayerCall],
    quantize: Quantize,
) -> FactorizedWeights:
    """A layer of two factors, quantized: the second is calibrated on what the first now gives."""
    first = _quantized_matrix(plain.first, module.first, hessian, quantize)
    between = _hessian(layer, module.second, first.weight.shape[1], calls)
    return FactorizedWeights(first, _quantized_matrix(plain.second, module.second, between, quantize))


def _hessian(layer: Any, reader: Any, inputs: int, calls: Sequence[_LayerCall]) -> Doubles:
    """X^T X of the rows X that one of a layer's modules reads, (inputs, inputs)."""
    import torch

    total = torch.zeros(inputs, inputs, dtype=torch.float64)

    def add(_: Any, inputs: tuple[Any, ...]) -> None:
        rows = inputs[0].flatten(0, -2).double()  # (tokens, inputs)
        total.addmm_(rows.T, rows)
        raise _Reached

    hook = reader.register_forward_pre_hook(add)
    try:
        for call in calls:
            try:
                layer(call.hidden, **call.settings)
            except _Reached:
                continue
    finally:
        hook.remove()
    return np.asarray(total.numpy(), dtype=np.float64)
