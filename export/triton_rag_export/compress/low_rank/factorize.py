"""A model factorized as its settings say: where it saves, and as far as a share of energy or size allows."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn

from triton_rag_export.compress.low_rank.activation_aware import Spectrum, factorized, spectrum_of
from triton_rag_export.compress.low_rank.ranks import Ranks, ranks_by_budget, ranks_by_energy, weights_of
from triton_rag_export.compress.low_rank.second_moments import Call, second_moments
from triton_rag_export.compress.model_parts import layer_linears
from triton_rag_export.compress.training.settings import check_range


@dataclass(frozen=True, slots=True)
class LowRankSettings:
    """How far to go.

    Attributes:
        energy: share of the energy of each layer's outputs to keep, above 0 to 1; 0: by `size`.
        size: share of the model's parameters to keep, 0.01 to below 1; 0: by `energy`.
        rank_multiple: ranks are multiples of it, 1 to 1024.
        calibration_examples: how many examples the layers' inputs are measured on, 1 to 100,000.

    Raises:
        ValueError: a value is out of range, or not exactly one of `energy` and `size` is given; names field,
            value and what is allowed.
    """

    energy: float = 0.0
    size: float = 0.0
    rank_multiple: int = 8
    calibration_examples: int = 256

    def __post_init__(self) -> None:
        check_range("energy", self.energy, 0, 1)
        check_range("size", self.size, 0, 0.9999)
        check_range("rank_multiple", self.rank_multiple, 1, 1024)
        check_range("calibration_examples", self.calibration_examples, 1, 100_000)
        if (self.energy > 0) == (self.size > 0):
            raise ValueError(
                f"energy is {self.energy} and size is {self.size}; allowed: one of them above 0, the other 0"
            )


@dataclass(frozen=True, slots=True)
class Factorized:
    """What became of the linear layers.

    Attributes:
        ranks: by the layer's name; None: it stayed plain.
        parameters_before: of the whole model.
        parameters: of the whole model now.
        lost: mean share of the outputs' energy on the calibration data that the factorized layers lost.
    """

    ranks: Ranks
    parameters_before: int
    parameters: int
    lost: float


def factorize_model(model: Any, settings: LowRankSettings, calls: Sequence[Call]) -> Factorized:
    """Factorize the plain linear layers of a model's stacks in place, where that saves.

    Args:
        model: of the BERT or Llama family, T5 or BART.
        settings: how far to go.
        calls: run the model on calibration examples without padding, at least one.

    Raises:
        ValueError: no example, or a size that cannot be reached; names what can.
        UnsupportedModelError: a family that compression does not cover.
    """
    find = model.get_submodule
    names = [name for name in layer_linears(model) if isinstance(find(name), nn.Linear)]
    before = _parameters(model)
    moments = second_moments(model, names, calls)
    spectra = {name: spectrum_of(find(name), moments.pop(name)) for name in names}
    ranks = _ranks(settings, spectra, before)
    chosen = {name: rank for name, rank in ranks.items() if rank is not None}
    for name, rank in chosen.items():
        model.set_submodule(name, factorized(find(name), spectra[name], rank))
    lost = sum(float(spectra[name].errors[rank]) for name, rank in chosen.items())
    return Factorized(ranks, before, _parameters(model), lost / max(1, len(chosen)))


def _ranks(settings: LowRankSettings, spectra: dict[str, Spectrum], parameters: int) -> Ranks:
    if settings.energy:
        return ranks_by_energy(spectra, settings.energy, multiple=settings.rank_multiple)
    inside = sum(weights_of(spectrum, None) for spectrum in spectra.values())
    outside = parameters - inside
    try:
        return ranks_by_budget(
            spectra, int(settings.size * parameters) - outside, multiple=settings.rank_multiple
        )
    except ValueError as error:
        least = outside + sum(
            min(weights_of(each, None), weights_of(each, settings.rank_multiple)) for each in spectra.values()
        )
        raise ValueError(
            f"size is {settings.size}; allowed: {least / parameters:.4f} to below 1; {outside} of the "
            f"model's {parameters} parameters lie outside its linear layers"
        ) from error


def _parameters(model: Any) -> int:
    return sum(parameter.numel() for parameter in model.parameters())
