"""Heads, neurons and layers cut out of a model: what is left is a smaller dense model, and computes what the
large one did with these parts silenced.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from triton_rag_export.compress.bias_tables import give_own_bias_tables
from triton_rag_export.compress.layers import keep_layers
from triton_rag_export.compress.model_parts import Units, layer_names, stacks_of
from triton_rag_export.compress.pruning.importance import Importance
from triton_rag_export.compress.pruning.masks import Scope, check_fraction
from triton_rag_export.compress.widths import cut_channels, match_widths


def choose_units(
    scores: Sequence[torch.Tensor],
    fraction: float,
    scope: Scope,
    *,
    multiple: int = 1,
    before: Sequence[int] | None = None,
) -> list[list[int]]:
    """Choose which units stay, at least one (or `multiple`) in each place.

    Args:
        scores: how important the units of each place are, (units,) each.
        fraction: the share of units to cut out, 0 to below 1.
        scope: "layer": the same share of each place; "model": the least important of all, each place's scores
            first divided by their length (Molchanov et al., 2019), since places differ in scale.
        multiple: each place keeps a multiple of so many, the nearest that it has.
        before: how many units each place once had, which the fraction is of; default as many as now.

    Returns:
        For each place the units that stay, in ascending order.

    Raises:
        ValueError: another fraction, or a multiple below 1.
    """
    check_fraction("fraction", fraction)
    if multiple < 1:
        raise ValueError(f"multiple is {multiple}; allowed: at least 1")
    counts = [len(score) for score in scores]
    once = before or counts
    if scope == "layer":
        kept = [count - round(fraction * count) for count in once]
    else:
        kept = _counts_over_all(scores, round(fraction * sum(once)) - sum(once) + sum(counts))
    rounded = (_to_multiple(keep, count, multiple) for keep, count in zip(kept, counts, strict=True))
    return [sorted(score.topk(keep).indices.tolist()) for score, keep in zip(scores, rounded, strict=True)]


def cut_units(model: Any, units: Units, kept: Sequence[int]) -> None:
    """Keep some heads or neurons of one place.

    Args:
        model: the model, changed in place; a T5 that is to lose heads has tables of its own in every layer
            (`own_tables`).
        units: the place.
        kept: which of its units stay, in ascending order.
    """
    for name, width in units.writers:
        channels = _channels_of(kept, width)
        model.set_submodule(name, cut_channels(model.get_submodule(name), outputs=channels))
    channels = _channels_of(kept, units.reader_channels)
    model.set_submodule(units.reader, cut_channels(model.get_submodule(units.reader), inputs=channels))
    if units.table is not None:
        table = model.get_submodule(units.table).weight.detach()[:, list(kept)]
        cut = nn.Embedding.from_pretrained(table.clone(), freeze=False)  # type: ignore[no-untyped-call]
        model.set_submodule(units.table, cut)
    match_widths(model)


def own_tables(model: Any) -> None:
    """Give every layer of a T5 a table of position biases, so that each can lose heads of its own."""
    for layers in stacks_of(model).values():
        stack = model.get_submodule(layers.rpartition(".")[0])
        if hasattr(stack, "block"):
            give_own_bias_tables(stack)


def choose_layers(
    model: Any, importance: Importance, fraction: float, stack: str, *, before: int | None = None
) -> list[int]:
    """Choose which layers of a stack stay, at least one.

    Args:
        model: the model.
        importance: of its layers.
        fraction: the share of layers to drop, 0 to below 1.
        stack: "encoder" or "decoder".
        before: how many layers the stack once had, which the fraction is of; default as many as now.

    Returns:
        Their numbers, in ascending order.

    Raises:
        ValueError: a fraction outside 0 to below 1.
    """
    check_fraction("fraction", fraction)
    scores = [importance.of_layer(name) for name in layer_names(model, stack)]
    once = before or len(scores)
    keep = max(1, once - round(fraction * once))
    best = sorted(range(len(scores)), key=scores.__getitem__, reverse=True)[:keep]
    return sorted(best)


def cut_layers(
    model: Any, importance: Importance, fraction: float, *, before: Mapping[str, int] | None = None
) -> None:
    """Drop the least important layers of each stack; `before` by the stack's name, as for `choose_layers`."""
    kept = {
        stack: choose_layers(model, importance, fraction, stack, before=(before or {}).get(stack))
        for stack in stacks_of(model)
    }
    for stack, chosen in kept.items():
        if len(chosen) < len(layer_names(model, stack)):
            keep_layers(model, chosen, stack=stack)


def _counts_over_all(scores: Sequence[torch.Tensor], cut: int) -> list[int]:
    """How many units each place keeps when the least important of all go; a place's best always stays."""
    relative = [score.float() / score.float().norm().clamp_min(1e-30) for score in scores]
    best = [int(score.argmax()) for score in relative]
    candidates = sorted(
        (float(value), place)
        for place, score in enumerate(relative)
        for index, value in enumerate(score)
        if index != best[place]
    )
    kept = [len(score) for score in scores]
    for _, place in candidates[: max(0, cut)]:
        kept[place] -= 1
    return kept


def _to_multiple(keep: int, count: int, multiple: int) -> int:
    """The nearest multiple, not below one of it; all there are where that is less."""
    return min(count, max(multiple, (keep + multiple // 2) // multiple * multiple))


def _channels_of(kept: Sequence[int], width: int) -> torch.Tensor:
    starts = torch.tensor(list(kept))[:, None] * width
    return (starts + torch.arange(width)).flatten()
