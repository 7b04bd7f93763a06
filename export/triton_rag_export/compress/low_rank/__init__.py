"""Linear layers of torch models in two factors, of ranks that calibration data and a budget decide."""

from triton_rag_export.compress.low_rank.activation_aware import Spectrum, factorized, spectrum_of
from triton_rag_export.compress.low_rank.factorize import Factorized, LowRankSettings, factorize_model
from triton_rag_export.compress.low_rank.ranks import (
    Ranks,
    ranks_by_budget,
    ranks_by_energy,
    saving_rank,
    weights_of,
)
from triton_rag_export.compress.low_rank.second_moments import Call, Moments, second_moments

__all__ = [
    "Call",
    "Factorized",
    "LowRankSettings",
    "Moments",
    "Ranks",
    "Spectrum",
    "factorize_model",
    "factorized",
    "ranks_by_budget",
    "ranks_by_energy",
    "saving_rank",
    "second_moments",
    "spectrum_of",
    "weights_of",
]
