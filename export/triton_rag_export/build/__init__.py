"""The build: from a recipe to a model repository that any tritonserver serves."""

from triton_rag_export.build.artifacts import ArtifactCache
from triton_rag_export.build.compression import CompressionReport, compress
from triton_rag_export.build.pipeline import BuildReport, build
from triton_rag_export.build.progress import BuildProgress, SilentProgress

__all__ = [
    "ArtifactCache",
    "BuildProgress",
    "BuildReport",
    "CompressionReport",
    "SilentProgress",
    "build",
    "compress",
]
