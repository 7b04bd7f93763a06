"""Distillation of encoders: a smaller student learns a teacher's vectors and its ranking of passages."""

from triton_rag_export.compress.distil_encoder.data import Development, DistillationData, sentences
from triton_rag_export.compress.distil_encoder.distil import run
from triton_rag_export.compress.distil_encoder.read_data import read_distillation_data
from triton_rag_export.compress.distil_encoder.settings import EncoderDistillation
from triton_rag_export.compress.distil_encoder.torch_encoder import TorchEncoder

__all__ = [
    "Development",
    "DistillationData",
    "EncoderDistillation",
    "TorchEncoder",
    "read_distillation_data",
    "run",
    "sentences",
]
