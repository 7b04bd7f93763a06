"""The best two factors for a linear layer, judged by its outputs on calibration data.

For inputs X (rows) with second moment C = X^T X = L L^T, the error of a layer W with W' in its place is
`|X (W - W')^T| = |(W - W') L|` in the Frobenius norm, and the best W' of rank r keeps the r largest singular
values of W L: the whitening of SVD-LLM (Wang et al., 2024, https://arxiv.org/abs/2403.07378). With U the left
singular vectors this W' is `U_r U_r^T W`, so that L is never inverted: what calibration data did not show, a
nearly singular C, costs no digits.

A plain SVD (Eckart and Young, 1936) is the same with C = 1.
"""

from dataclasses import dataclass

import torch
from torch import nn

from triton_rag_export.compress.factorized_linear import FactorizedLinear

DAMPING = 1e-6
"""Added to C's diagonal, as a share of its mean: directions that calibration did not show are kept by their
weights alone, behind all those that it did."""


@dataclass(frozen=True, slots=True, eq=False)
class Spectrum:
    """A layer's outputs, split into directions by how much of their energy lies along each.

    Attributes:
        directions: (outputs, largest rank), orthonormal columns.
        energy: (largest rank,), descending; over the rows that were measured, a share of the whole.
        inputs: width of a row that the layer reads.
    """

    directions: torch.Tensor
    energy: torch.Tensor
    inputs: int

    @property
    def outputs(self) -> int:
        """Width of a row that the layer gives."""
        return int(self.directions.shape[0])

    @property
    def errors(self) -> torch.Tensor:
        """The share of the outputs' energy that is lost at each rank from 0 on, (largest rank + 1,)."""
        lost = self.energy.flip(0).cumsum(0).flip(0)
        return torch.cat([lost, lost.new_zeros(1)])


def spectrum_of(linear: nn.Linear, second_moment: torch.Tensor) -> Spectrum:
    """Split a layer's outputs into directions.

    Args:
        linear: the layer.
        second_moment: X^T X of its inputs, (inputs, inputs).
    """
    weight = linear.weight.detach().double()  # (outputs, inputs)
    moment = second_moment.to(weight)
    mean = moment.diagonal().mean().clamp_min(torch.finfo(torch.float32).tiny)
    damped = moment + DAMPING * mean * torch.eye(len(moment), dtype=weight.dtype, device=weight.device)
    left, values, _ = torch.linalg.svd(weight @ torch.linalg.cholesky(damped), full_matrices=False)
    energy = values.square()
    directions = left.to(linear.weight.dtype)
    return Spectrum(
        directions, energy / energy.sum().clamp_min(torch.finfo(torch.float64).tiny), weight.shape[1]
    )


def factorized(linear: nn.Linear, spectrum: Spectrum, rank: int) -> FactorizedLinear:
    """The two factors of a rank whose outputs are closest to a layer's.

    The channels in between are scaled so that each has weights of one size in both factors.

    Args:
        linear: the layer; it is left as it is.
        spectrum: of this layer.
        rank: 1 to the smaller of its widths.

    Raises:
        ValueError: another rank.
    """
    outputs, inputs = linear.weight.shape
    if not 1 <= rank <= min(inputs, outputs):
        raise ValueError(f"rank is {rank}; allowed: 1 to {min(inputs, outputs)}")
    found = FactorizedLinear(inputs, outputs, rank, bias=linear.bias is not None).to(linear.weight)
    directions = spectrum.directions[:, :rank].double()  # (outputs, rank)
    first = directions.T @ linear.weight.detach().double()  # (rank, inputs)
    scale = first.norm(dim=1).sqrt().clamp_min(torch.finfo(torch.float32).tiny)
    with torch.no_grad():
        found.first.weight.copy_(first / scale[:, None])
        found.second.weight.copy_(directions * scale)
        if linear.bias is not None:
            found.second.bias.copy_(linear.bias)
    return found
