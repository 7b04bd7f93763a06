"""Factors that are best for what a layer is given, not for its weights."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from triton_rag_export.compress import FactorizedLinear
from triton_rag_export.compress.low_rank import Spectrum, factorized, spectrum_of


def layer_and_rows(inputs: int, outputs: int, seed: int = 0) -> tuple[nn.Linear, torch.Tensor]:
    """A layer, and rows whose channels are correlated and of very different size, as activations are."""
    torch.manual_seed(seed)
    linear = nn.Linear(inputs, outputs)
    rows = torch.randn(200, inputs) @ (torch.randn(inputs, inputs) * torch.logspace(1, -2, inputs))
    return linear, rows


def error(linear: nn.Linear, other: nn.Module, rows: torch.Tensor) -> float:
    with torch.no_grad():
        return float((linear(rows) - other(rows)).norm())


@given(st.integers(2, 24), st.integers(2, 24), st.data())
def test_no_factors_are_closer_on_the_calibration_rows(inputs: int, outputs: int, data) -> None:
    rank = data.draw(st.integers(1, min(inputs, outputs)))
    linear, rows = layer_and_rows(inputs, outputs, seed=inputs)
    spectrum = spectrum_of(linear, rows.T @ rows)

    found = error(linear, factorized(linear, spectrum, rank), rows)

    with torch.no_grad():
        values = torch.linalg.svdvals(rows.double() @ linear.weight.double().T)
    size = float(values.norm())
    least = float(values[rank:].norm())  # Eckart and Young, of the outputs
    assert found == pytest.approx(least, abs=2e-3 * size)
    assert found <= error(linear, FactorizedLinear.nearest(linear, rank), rows) + 1e-5 * size
    assert float(spectrum.errors[rank].sqrt()) * size == pytest.approx(found, abs=2e-3 * size)


def test_activation_aware_factors_are_much_closer_than_those_of_a_plain_svd() -> None:
    linear, rows = layer_and_rows(48, 32)

    aware = factorized(linear, spectrum_of(linear, rows.T @ rows), 8)

    assert error(linear, aware, rows) < 0.5 * error(linear, FactorizedLinear.nearest(linear, 8), rows)


@pytest.mark.parametrize(("inputs", "outputs"), [(20, 7), (7, 20), (9, 9)])
def test_factors_of_full_rank_are_the_layer(inputs: int, outputs: int) -> None:
    linear, rows = layer_and_rows(inputs, outputs)

    full = factorized(linear, spectrum_of(linear, rows.T @ rows), min(inputs, outputs))

    torch.testing.assert_close(full(torch.eye(inputs)), linear(torch.eye(inputs)), atol=1e-5, rtol=1e-4)
    assert (full.second.bias == linear.bias).all()


def test_channels_that_calibration_never_saw_keep_what_their_weights_say() -> None:
    """One row and many silent channels: nothing overflows, and what is left is as a plain SVD has it."""
    linear = layer_and_rows(12, 10)[0]
    rows = torch.zeros(1, 12)
    rows[0, 0] = 3.0

    spectrum = spectrum_of(linear, rows.T @ rows)

    assert error(linear, factorized(linear, spectrum, 1), rows) < 1e-4
    torch.testing.assert_close(
        factorized(linear, spectrum, 10)(torch.eye(12)), linear(torch.eye(12)), atol=1e-4, rtol=1e-4
    )
    silent = spectrum_of(linear, torch.zeros(12, 12))
    torch.testing.assert_close(
        factorized(linear, silent, 4)(torch.eye(12)),
        FactorizedLinear.nearest(linear, 4)(torch.eye(12)),
        atol=1e-5,
        rtol=1e-4,
    )


def test_channels_between_the_factors_are_of_one_size_in_both() -> None:
    linear, rows = layer_and_rows(20, 16)

    found = factorized(linear, spectrum_of(linear, rows.T @ rows), 6)

    torch.testing.assert_close(found.first.weight.norm(dim=1), found.second.weight.norm(dim=0))


def test_a_rank_that_cannot_be_is_refused() -> None:
    linear, rows = layer_and_rows(5, 4)
    spectrum: Spectrum = spectrum_of(linear, rows.T @ rows)
    for rank in (0, 5):
        with pytest.raises(ValueError, match=f"rank is {rank}; allowed: 1 to 4"):
            factorized(linear, spectrum, rank)
