"""Single weights that become zero, as many as asked, and stay zero."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from triton_rag_export.compress.pruning import (
    WeightMasks,
    two_of_four_masks,
    unstructured_masks,
)

SCORES = {
    "small": torch.rand(6, 8, generator=torch.Generator().manual_seed(1)),
    "large": 10 + torch.rand(5, 12, generator=torch.Generator().manual_seed(2)),
    "equal": torch.ones(3, 4),
}


@given(st.floats(0, 0.99))
def test_each_layer_loses_exactly_its_share(sparsity: float) -> None:
    masks = unstructured_masks(SCORES, sparsity, "layer")

    for name, mask in masks.kept.items():
        assert int((~mask).sum()) == round(sparsity * mask.numel())
        assert mask.all() or not mask.any() or SCORES[name][~mask].max() <= SCORES[name][mask].min()


@given(st.floats(0, 0.99))
def test_all_layers_together_lose_exactly_the_share(sparsity: float) -> None:
    masks = unstructured_masks(SCORES, sparsity, "model")

    kept = torch.cat([mask.flatten() for mask in masks.kept.values()])
    scores = torch.cat([score.flatten() for score in SCORES.values()])
    assert int((~kept).sum()) == round(sparsity * len(kept))
    assert masks.sparsity == pytest.approx(round(sparsity * len(kept)) / len(kept))
    assert kept.all() or scores[~kept].max() <= scores[kept].min()


def test_two_of_four_keeps_the_two_largest_along_the_inputs() -> None:
    masks = two_of_four_masks({"one": torch.tensor([[1.0, 4, 3, 2, 0, 0, 0, 9]]), **SCORES})

    kept = masks.kept["one"][0]
    assert kept[:4].tolist() == [False, True, True, False]
    assert (int(kept[4:].sum()), bool(kept[7])) == (2, True)
    for name, mask in masks.kept.items():
        fours = mask.reshape(-1, 4)
        assert (fours.sum(1) == 2).all()
        if name != "one":
            best = SCORES[name].reshape(-1, 4).sort(dim=1).values[:, 2:].sum()
            assert SCORES[name][mask].sum() == pytest.approx(float(best))


def test_two_of_four_names_a_layer_that_cannot_be() -> None:
    with pytest.raises(ValueError, match="odd has 6 inputs; allowed with 2:4 sparsity: a multiple of 4"):
        two_of_four_masks({"odd": torch.rand(4, 6)})


@pytest.mark.parametrize("sparsity", [-0.1, 1.0, float("nan")])
def test_a_sparsity_that_cannot_be_is_refused(sparsity: float) -> None:
    with pytest.raises(ValueError, match=f"sparsity is {sparsity}; allowed: 0 to below 1"):
        unstructured_masks(SCORES, sparsity, "layer")


def test_masks_say_how_sparse_they_are() -> None:
    assert WeightMasks({"one": torch.tensor([[True, False, False, False]])}).sparsity == 0.75
