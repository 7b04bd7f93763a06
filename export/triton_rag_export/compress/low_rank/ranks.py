"""Which rank each linear layer gets: by the energy of its outputs to keep, or by a budget over the model.

A layer of rank r costs `r * (inputs + outputs)` weights: less than the `inputs * outputs` of the plain one
only up to a rank that `saving_rank` gives. Above it the layer stays as it is.

With a budget, weights go where they save most error: of all layers the next one to be raised is that which
loses most error per weight. Since one layer's errors fall ever more slowly, this is the best distribution but
for the last step; the jump from the highest rank that saves to the plain layer, which takes all error that is
left, is what makes it a walk over each layer's lower convex hull.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import torch

from triton_rag_export.compress.low_rank.activation_aware import Spectrum

Ranks = dict[str, int | None]
"""The rank of each layer, by its name; None: it stays plain."""


@dataclass(frozen=True, slots=True)
class _Point:
    """What a layer can be: its rank (None: plain), how many weights that costs and what error it leaves."""

    rank: int | None
    cost: int
    error: float


def saving_rank(inputs: int, outputs: int) -> int:
    """The highest rank at which two factors have fewer weights than one matrix; 0 where none has."""
    return (inputs * outputs - 1) // (inputs + outputs)


def ranks_by_energy(spectra: Mapping[str, Spectrum], energy: float, *, multiple: int = 1) -> Ranks:
    """The smallest rank of each layer that keeps a share of its outputs' energy, where that saves.

    Args:
        spectra: of each layer.
        energy: the share to keep, above 0 to 1.
        multiple: ranks are rounded up to it.

    Raises:
        ValueError: another energy, or a multiple below 1.
    """
    _check_multiple(multiple)
    if not 0 < energy <= 1:
        raise ValueError(f"energy is {energy}; allowed: above 0 to 1")
    ranks: Ranks = {}
    for name, spectrum in spectra.items():
        kept = 1 - spectrum.errors
        least = int(torch.searchsorted(kept, torch.tensor(energy, dtype=kept.dtype) - 1e-12))
        rank = -(-max(1, least) // multiple) * multiple
        ranks[name] = rank if rank <= saving_rank(spectrum.inputs, spectrum.outputs) else None
    return ranks


def ranks_by_budget(spectra: Mapping[str, Spectrum], weights: int, *, multiple: int = 1) -> Ranks:
    """The ranks with the least error, relative to each layer's outputs, that a number of weights affords.

    Args:
        spectra: of each layer.
        weights: how many weights all these layers may have together.
        multiple: ranks are multiples of it.

    Raises:
        ValueError: a budget below what all layers at their lowest rank cost, or a multiple below 1.
    """
    _check_multiple(multiple)
    points = {name: _points(spectrum, multiple) for name, spectrum in spectra.items()}
    chosen = dict.fromkeys(points, 0)
    left = weights - sum(ladder[0].cost for ladder in points.values())
    if left < 0:
        raise ValueError(
            f"budget is {weights} weights; allowed: at least {weights - left}, all at rank {multiple}"
        )
    raises = sorted(
        (
            (ladder[high].error - ladder[low].error) / (ladder[high].cost - ladder[low].cost),
            name,
            low,
            high,
        )
        for name, ladder in points.items()
        for low, high in _hull(ladder)
    )
    for _, name, low, high in raises:
        cost = points[name][high].cost - points[name][low].cost
        if chosen[name] == low and cost <= left:
            chosen[name], left = high, left - cost
    _spend_rest(points, chosen, left)
    return {name: points[name][index].rank for name, index in chosen.items()}


def weights_of(spectrum: Spectrum, rank: int | None) -> int:
    """How many weights a layer has at a rank; None: plain."""
    if rank is None:
        return spectrum.inputs * spectrum.outputs
    return rank * (spectrum.inputs + spectrum.outputs)


def _points(spectrum: Spectrum, multiple: int) -> list[_Point]:
    """From the lowest rank to the plain layer, costs ascending and errors falling."""
    errors = spectrum.errors
    highest = saving_rank(spectrum.inputs, spectrum.outputs)
    factors = [
        _Point(rank, weights_of(spectrum, rank), float(errors[rank]))
        for rank in range(multiple, highest + 1, multiple)
    ]
    return [*factors, _Point(None, weights_of(spectrum, None), 0.0)]


def _hull(points: list[_Point]) -> list[tuple[int, int]]:
    """The steps along the lower convex hull of cost and error, by indexes; each saves less a weight."""
    hull: list[int] = []
    for index, point in enumerate(points):
        while len(hull) >= 2 and _is_above(points[hull[-1]], points[hull[-2]], point):
            hull.pop()
        hull.append(index)
    return list(pairwise(hull))


def _is_above(middle: _Point, first: _Point, last: _Point) -> bool:
    """Whether a point lies on or above the line between its neighbours."""
    line = (last.error - first.error) * (middle.cost - first.cost)
    return (middle.error - first.error) * (last.cost - first.cost) >= line


def _spend_rest(points: Mapping[str, list[_Point]], chosen: dict[str, int], left: int) -> None:
    """Raise single layers by what the walk over the hulls has left, the most saving step first."""
    while True:
        affordable = [
            ((points[name][index + 1].error - points[name][index].error) / cost, name, cost)
            for name, index in chosen.items()
            if index + 1 < len(points[name])
            and (cost := points[name][index + 1].cost - points[name][index].cost) <= left
        ]
        if not affordable:
            return
        _, name, cost = min(affordable)
        chosen[name], left = chosen[name] + 1, left - cost


def _check_multiple(multiple: int) -> None:
    if multiple < 1:
        raise ValueError(f"multiple is {multiple}; allowed: at least 1")
