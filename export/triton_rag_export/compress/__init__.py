"""Smaller torch models from larger ones: the layers that they are made of, and folders to keep them in."""

from triton_rag_export.compress.bias_tables import give_own_bias_tables
from triton_rag_export.compress.factorized_linear import FactorizedLinear
from triton_rag_export.compress.layers import keep_layers
from triton_rag_export.compress.saved_model import is_compressed, load_compressed, save_compressed
from triton_rag_export.compress.widths import cut_channels, match_widths, resized

__all__ = [
    "FactorizedLinear",
    "cut_channels",
    "give_own_bias_tables",
    "is_compressed",
    "keep_layers",
    "load_compressed",
    "match_widths",
    "resized",
    "save_compressed",
]
