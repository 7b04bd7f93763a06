"""SmoothQuant for a causal model: move outliers of the activations into the weights (Xiao et al., 2023,
https://arxiv.org/abs/2211.10438).

A few channels of a language model's activations are a hundred times larger than the others and leave them few
of a byte's steps. Each channel is divided by a factor in the operation before the linear layer, and the
layer's weights are multiplied by it: the model stays the same in exact arithmetic, and no operation is added,
since the division goes into the weight of the normalization before, the value projection, or `up`.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from triton_rag_export.graph.causal_model import CausalModel, DecoderLayer
from triton_rag_export.graph.factors import Linear, reading_matrix, with_outputs
from triton_rag_export.graph.linear import Floats, LinearWeights, smoothing_factors

ALPHA = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class LayerRanges:
    """The largest absolute value of each channel that the linear layers of one layer read.

    Attributes:
        attention_input: of query, key and value, (hidden,).
        attended: of the attention output projection, (heads * head_size,).
        feed_forward_input: of gate and up, (hidden,).
        gated: of down, (feed_forward,).
    """

    attention_input: Floats
    attended: Floats
    feed_forward_input: Floats
    gated: Floats


@dataclass(frozen=True, slots=True, eq=False)
class ActivationRanges:
    """The ranges of every layer, and of what the head reads, (hidden,)."""

    layers: tuple[LayerRanges, ...]
    head_input: Floats


def measure_ranges(model: Any, sequences: Iterable[Sequence[int]]) -> ActivationRanges:
    """Run texts through a transformers model of the Llama family and keep each channel's largest value.

    Args:
        model: the model, in float32.
        sequences: token ids of the calibration texts, at least one.
    """
    import torch

    gather = RangeGatherer()
    layers = model.model.layers
    watched = [
        (layer.self_attn.q_proj, layer.self_attn.o_proj, layer.mlp.gate_proj, layer.mlp.down_proj)
        for layer in layers
    ]
    modules = [module for quartet in watched for module in quartet] + [model.lm_head]
    hooks = [module.register_forward_pre_hook(gather) for module in modules]
    try:
        with torch.inference_mode():
            for call in model_calls(sequences):
                model(**call, use_cache=False)
    finally:
        for hook in hooks:
            hook.remove()
    ranges = [LayerRanges(*(gather.range_of(module) for module in quartet)) for quartet in watched]
    return ActivationRanges(tuple(ranges), gather.range_of(model.lm_head))


def model_calls(sequences: Iterable[Sequence[int]]) -> Iterator[dict[str, Any]]:
    """What a causal model is called with for each of some texts."""
    import torch

    return ({"input_ids": torch.tensor([list(sequence)])} for sequence in sequences)


def smooth(model: CausalModel, ranges: ActivationRanges, alpha: float = ALPHA) -> CausalModel:
    """The same model with smoother activations; the head is its own matrix afterwards.

    Args:
        model: the model.
        ranges: what calibration texts gave.
        alpha: 0 leaves the activations as they are, 1 makes all their channels equally large.
    """
    layers = tuple(
        _smooth_layer(layer, layer_ranges, alpha, model.head_size)
        for layer, layer_ranges in zip(model.layers, ranges.layers, strict=True)
    )
    head = LinearWeights(model.embedding.T) if model.head is None else model.head
    factors = smoothing_factors(ranges.head_input, reading_matrix(head), alpha)
    return replace(model, layers=layers, final_norm=model.final_norm / factors, head=head.smoothed(factors))


class RangeGatherer:
    """A forward pre-hook that keeps, for each module, the largest absolute value of each input channel."""

    def __init__(self) -> None:
        self._largest: dict[Any, Any] = {}

    def __call__(self, module: Any, inputs: tuple[Any, ...]) -> None:
        """Take what a module is about to read."""
        largest = inputs[0].abs().flatten(0, -2).amax(0)
        if module in self._largest:
            largest = largest.maximum(self._largest[module])
        self._largest[module] = largest

    def range_of(self, module: Any) -> Floats:
        """What was kept for a module, (inputs,)."""
        return np.asarray(self._largest[module].numpy(), dtype=np.float32)


def _smooth_layer(layer: DecoderLayer, ranges: LayerRanges, alpha: float, head_size: int) -> DecoderLayer:
    def factors(largest: Floats, *readers: Linear) -> Floats:
        return smoothing_factors(largest, np.concatenate(list(map(reading_matrix, readers)), axis=1), alpha)

    attention = factors(ranges.attention_input, layer.query, layer.key, layer.value)
    feed_forward = factors(ranges.feed_forward_input, layer.gate, layer.up)
    gated = factors(ranges.gated, layer.down)
    values, attended = _value_factors(layer, ranges.attended, alpha, head_size)
    return replace(
        layer,
        attention_norm=layer.attention_norm / attention,
        query=layer.query.smoothed(attention),
        key=layer.key.smoothed(attention),
        value=divided(layer.value.smoothed(attention), values),
        attention_output=layer.attention_output.smoothed(attended),
        feed_forward_norm=layer.feed_forward_norm / feed_forward,
        gate=layer.gate.smoothed(feed_forward),
        up=divided(layer.up.smoothed(feed_forward), gated),
        down=layer.down.smoothed(gated),
    )


def _value_factors(
    layer: DecoderLayer, attended: Floats, alpha: float, head_size: int
) -> tuple[Floats, Floats]:
    """Factors of the value channels, and the same spread to all query heads that read each value head."""
    shape = layer.shape(head_size)
    groups = (shape.kv_heads, shape.heads // shape.kv_heads, head_size)
    weights = reading_matrix(layer.attention_output)  # (heads * head_size, hidden or rank)
    by_value = weights.reshape(*groups, -1).swapaxes(1, 2).reshape(shape.kv_heads * head_size, -1)
    values = smoothing_factors(attended.reshape(groups).max(axis=1).ravel(), by_value, alpha)
    spread = np.broadcast_to(values.reshape(shape.kv_heads, 1, head_size), groups)
    return values, spread.ravel()


def divided(layer: Linear, factors: Floats) -> Linear:
    """The layer with each output channel divided by its factor."""
    return with_outputs(layer, lambda rows: rows / factors)
