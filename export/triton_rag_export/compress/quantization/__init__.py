"""Torch models trained for the INT8 graphs they will be."""

from triton_rag_export.compress.quantization.fake_quantization import (
    FakeQuantizedLinear,
    fake_quantize,
    fake_quantized,
    quantize,
    quantized_linears,
    scale_of,
)

__all__ = [
    "FakeQuantizedLinear",
    "fake_quantize",
    "fake_quantized",
    "quantize",
    "quantized_linears",
    "scale_of",
]
