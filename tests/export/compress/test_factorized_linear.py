"""Two factors in the place of one matrix."""

import pytest
import torch
from torch import nn
from triton_rag_export.compress import FactorizedLinear

ROWS = torch.randn(5, 12, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def linear() -> nn.Linear:
    torch.manual_seed(2)
    return nn.Linear(12, 7)


def test_factors_of_full_rank_compute_what_the_layer_did(linear: nn.Linear) -> None:
    factorized = FactorizedLinear.nearest(linear, 7)

    torch.testing.assert_close(factorized(ROWS), linear(ROWS))
    torch.testing.assert_close(factorized.bias, linear.bias)


@pytest.mark.parametrize("rank", [1, 3, 6])
def test_no_factors_of_a_rank_are_closer(linear: nn.Linear, rank: int) -> None:
    factorized = FactorizedLinear.nearest(linear, rank)

    difference = factorized.second.weight @ factorized.first.weight - linear.weight
    dropped = torch.linalg.svdvals(linear.weight)[rank:]
    torch.testing.assert_close(difference.norm(), dropped.norm())  # the least there is: Eckart and Young
    assert factorized.rank == rank
    assert (factorized.first.bias, factorized.second.weight.shape) == (None, (7, rank))


def test_a_layer_without_bias_stays_without() -> None:
    assert FactorizedLinear.nearest(nn.Linear(4, 9, bias=False), 2).bias is None


@pytest.mark.parametrize("rank", [0, 8])
def test_a_rank_that_cannot_be_is_refused(linear: nn.Linear, rank: int) -> None:
    with pytest.raises(ValueError, match=f"rank is {rank}; allowed: 1 to 7"):
        FactorizedLinear.nearest(linear, rank)
    with pytest.raises(ValueError, match="rank is 0; allowed: at least 1"):
        FactorizedLinear(12, 7, 0)
