"""Soft labels serve every temperature, though they are kept once."""

import pytest
import torch
from triton_rag_export.compress.distil_generator.soft_labels import REST_TEMPERATURES, SoftLabels

LOGITS = torch.randn(30, 2000, generator=torch.Generator().manual_seed(3)) * 3


def softened(temperature: float, k: int) -> torch.Tensor:
    """What the whole vocabulary says of the k first, and of all others together, (rows, k + 1)."""
    everything = torch.softmax(LOGITS.double() / temperature, dim=1)
    first = everything.gather(1, LOGITS.topk(k, dim=1).indices)
    return torch.cat([first, 1 - first.sum(1, keepdim=True)], dim=1)


@pytest.mark.parametrize("temperature", REST_TEMPERATURES)
def test_the_others_mass_is_exact_where_it_is_kept(temperature: float) -> None:
    found = SoftLabels.most_probable(LOGITS, 16).softened(temperature).exp()
    torch.testing.assert_close(found.double(), softened(temperature, 16), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("temperature", [1.3, 3.0, 5.5, 12.0, 20.0])
def test_the_others_mass_is_close_between_and_beyond(temperature: float) -> None:
    found = SoftLabels.most_probable(LOGITS, 16).softened(temperature).exp()
    torch.testing.assert_close(found.double(), softened(temperature, 16), rtol=2e-2, atol=1e-4)


def test_a_teacher_that_is_certain_leaves_finite_logarithms() -> None:
    logits = torch.zeros(1, 10)
    logits[0, 4] = 400.0
    labels = SoftLabels.most_probable(logits, 2)
    for temperature in (1.0, 3.0, 20.0):
        assert labels.softened(temperature).isfinite().all()
    assert labels.most_probable_ids.tolist() == [4]


def test_a_k_as_large_as_the_vocabulary_keeps_all_in_order() -> None:
    labels = SoftLabels.most_probable(LOGITS, 2000)
    assert labels.token_ids is None
    torch.testing.assert_close(labels.log_probabilities, torch.log_softmax(LOGITS, dim=1))
    assert (labels.most_probable_ids == LOGITS.argmax(1)).all()
