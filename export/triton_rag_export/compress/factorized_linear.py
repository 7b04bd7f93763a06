"""A linear layer of two factors, which takes the place of a torch `Linear` inside a transformers model.

A matrix of `inputs * outputs` weights becomes two of `(inputs + outputs) * rank`: below a rank of
`inputs * outputs / (inputs + outputs)` that is less to store, to read and to compute.
"""

from typing import Self

import torch
from torch import nn


class FactorizedLinear(nn.Module):
    """`y = second(first(x))`; its tensors are `first.weight`, `second.weight` and `second.bias`.

    Args:
        inputs: channels of a row that it reads.
        outputs: channels of a row that it gives.
        rank: channels in between, at least 1.
        bias: whether something is added to the outputs.

    Raises:
        ValueError: a rank below 1.
    """

    def __init__(self, inputs: int, outputs: int, rank: int, *, bias: bool = True) -> None:
        super().__init__()
        if rank < 1:
            raise ValueError(f"rank is {rank}; allowed: at least 1")
        self.first = nn.Linear(inputs, rank, bias=False)
        self.second = nn.Linear(rank, outputs, bias=bias)

    @classmethod
    def nearest(cls, linear: nn.Linear, rank: int) -> Self:
        """The factors whose product is closest to a linear layer's weight (Eckart and Young, 1936).

        The singular values are shared out evenly, so that both factors are of one magnitude.

        Args:
            linear: the layer; it is left as it is.
            rank: channels between the factors, 1 to the smaller of the layer's widths.

        Raises:
            ValueError: another rank.
        """
        outputs, inputs = linear.weight.shape
        if not 1 <= rank <= min(inputs, outputs):
            raise ValueError(f"rank is {rank}; allowed: 1 to {min(inputs, outputs)}")
        found = cls(inputs, outputs, rank, bias=linear.bias is not None).to(linear.weight)
        with torch.no_grad():
            left, values, right = torch.linalg.svd(linear.weight.float(), full_matrices=False)
            share = values[:rank].sqrt()
            found.first.weight.copy_(share[:, None] * right[:rank])
            found.second.weight.copy_(left[:, :rank] * share)
            if linear.bias is not None:
                found.second.bias.copy_(linear.bias)
        return found

    @property
    def rank(self) -> int:
        """Channels between the factors."""
        return int(self.first.weight.shape[0])

    @property
    def bias(self) -> nn.Parameter | None:
        """What is added to the outputs, (outputs,)."""
        return self.second.bias

    @property
    def weight(self) -> torch.Tensor:
        """The second factor's weight: transformers' T5 asks its layers for the type of their numbers."""
        return self.second.weight

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """Rows (..., inputs) to rows (..., outputs)."""
        return self.second(self.first(rows))  # type: ignore[no-any-return]
