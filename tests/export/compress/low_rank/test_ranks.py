"""Ranks by energy or by budget, and never where they do not save."""

import itertools
from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from triton_rag_export.compress.low_rank import (
    Ranks,
    Spectrum,
    ranks_by_budget,
    ranks_by_energy,
    saving_rank,
    weights_of,
)


def spectrum(inputs: int, outputs: int, decay: float) -> Spectrum:
    """Energy falls by a factor from one direction to the next."""
    energy = torch.tensor([decay**number for number in range(min(inputs, outputs))], dtype=torch.float64)
    return Spectrum(torch.eye(outputs)[:, : len(energy)], energy / energy.sum(), inputs)


spectra_of_layers = st.lists(
    st.builds(spectrum, st.integers(2, 40), st.integers(2, 40), st.floats(0.3, 1.0)), min_size=1, max_size=5
).map(lambda found: {f"layer{number}": each for number, each in enumerate(found)})


def cost(spectra: dict[str, Spectrum], ranks: Ranks) -> int:
    return sum(weights_of(spectra[name], rank) for name, rank in ranks.items())


def lost(spectra: dict[str, Spectrum], ranks: Ranks) -> float:
    return sum(0.0 if rank is None else float(spectra[name].errors[rank]) for name, rank in ranks.items())


@given(st.integers(1, 200), st.integers(1, 200))
def test_the_highest_rank_that_saves(inputs: int, outputs: int) -> None:
    rank = saving_rank(inputs, outputs)

    assert rank * (inputs + outputs) < inputs * outputs
    assert (rank + 1) * (inputs + outputs) >= inputs * outputs


@given(spectra_of_layers, st.floats(0.01, 1.0), st.integers(1, 8))
def test_energy_is_kept_with_the_smallest_rank_and_only_where_it_saves(
    spectra: dict[str, Spectrum], energy: float, multiple: int
) -> None:
    for name, rank in ranks_by_energy(spectra, energy, multiple=multiple).items():
        layer = spectra[name]
        enough = [r for r in range(1, len(layer.errors)) if 1 - float(layer.errors[r]) >= energy - 1e-9]
        least = -(-enough[0] // multiple) * multiple
        assert rank == (least if least <= saving_rank(layer.inputs, layer.outputs) else None)


@given(spectra_of_layers, st.floats(0, 1), st.integers(1, 4))
def test_a_budget_is_never_overdrawn_and_never_left_unspent(
    spectra: dict[str, Spectrum], share: float, multiple: int
) -> None:
    ladders = {
        name: [*range(multiple, saving_rank(layer.inputs, layer.outputs) + 1, multiple), None]
        for name, layer in spectra.items()
    }
    least = cost(spectra, {name: ladder[0] for name, ladder in ladders.items()})
    full = cost(spectra, dict.fromkeys(spectra))
    budget = least + round(share * (full - least))

    ranks = ranks_by_budget(spectra, budget, multiple=multiple)

    assert cost(spectra, ranks) <= budget
    for name, rank in ranks.items():
        place = ladders[name].index(rank)
        for higher in ladders[name][place + 1 : place + 2]:
            assert cost(spectra, ranks | {name: higher}) > budget


@given(
    st.lists(
        st.builds(spectrum, st.integers(4, 12), st.integers(4, 12), st.floats(0.3, 0.95)),
        min_size=2,
        max_size=3,
    ),
    st.floats(0.3, 0.95),
)
def test_a_budget_is_spent_nearly_as_well_as_by_trying_everything(layers, share: float) -> None:
    spectra = {f"layer{number}": layer for number, layer in enumerate(layers)}
    ladders = [[*range(1, saving_rank(layer.inputs, layer.outputs) + 1), None] for layer in spectra.values()]
    choices = [dict(zip(spectra, ranks, strict=True)) for ranks in itertools.product(*ladders)]
    least, full = (min(cost(spectra, ranks) for ranks in choices), cost(spectra, dict.fromkeys(spectra)))
    budget = least + round(share * (full - least))

    found = lost(spectra, ranks_by_budget(spectra, budget))

    # The greedy walk is exact up to the first step that the budget does not afford any more.
    longest_step = max(longest_hull_step(layer) for layer in layers)
    best_with_less = min(
        lost(spectra, ranks) for ranks in choices if cost(spectra, ranks) <= max(least, budget - longest_step)
    )
    assert found <= best_with_less + 1e-9


def longest_hull_step(layer: Spectrum) -> int:
    """The most weights between neighbours of those points that no line between two others lies below."""
    ladder = [*range(1, saving_rank(layer.inputs, layer.outputs) + 1), None]
    points = [
        (weights_of(layer, rank), 0.0 if rank is None else float(layer.errors[rank])) for rank in ladder
    ]
    on_hull = [
        at
        for at, error in points
        if all(
            error < left_error + (right_error - left_error) * (at - left) / (right - left) + 1e-12
            for left, left_error in points
            for right, right_error in points
            if left < at < right
        )
    ]
    return max((after - before for before, after in pairwise(on_hull)), default=0)


def test_weights_go_where_they_save_most() -> None:
    spectra = {"steep": spectrum(32, 32, 0.5), "flat": spectrum(32, 32, 1.0)}

    ranks = ranks_by_budget(spectra, 10 * 64)

    assert ranks["steep"] is not None
    assert ranks["flat"] is not None
    assert float(spectra["steep"].errors[ranks["steep"]]) < float(spectra["flat"].errors[ranks["flat"]])
    assert ranks_by_budget(spectra, 2 * 32 * 32) == {"steep": None, "flat": None}


@pytest.mark.parametrize("energy", [0.0, 1.1, -1.0, float("nan")])
def test_an_energy_that_cannot_be_is_refused(energy: float) -> None:
    with pytest.raises(ValueError, match=f"energy is {energy}; allowed: above 0 to 1"):
        ranks_by_energy({"one": spectrum(8, 8, 0.5)}, energy)


def test_a_budget_that_is_too_small_and_a_multiple_are_refused() -> None:
    spectra = {"one": spectrum(8, 8, 0.5), "two": spectrum(16, 8, 0.5)}
    with pytest.raises(ValueError, match="budget is 39 weights; allowed: at least 40, all at rank 1"):
        ranks_by_budget(spectra, 39)
    assert ranks_by_budget(spectra, 40) == {"one": 1, "two": 1}
    with pytest.raises(ValueError, match="multiple is 0; allowed: at least 1"):
        ranks_by_budget(spectra, 400, multiple=0)
