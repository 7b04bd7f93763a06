"""Graphs of a generator as their device wants them, and what lies beside them.

For a CPU that is the library of our operators; for a GPU the graphs that copy caches, and the assurance that
the CUDA provider has every operator.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from generation.cache_memory import copy_graph_file
from generation.session import has_cuda

from triton_rag_export.errors import BuildError
from triton_rag_export.graph.cache_copy_graph import build_cache_copy_graph
from triton_rag_export.graph.causal_model import CacheKind
from triton_rag_export.graph.cuda_operators import check_cuda_operators
from triton_rag_export.graph.gpu_linear import PRECISIONS
from triton_rag_export.graph.onnx_builder import Device, GraphBuilder
from triton_rag_export.kernels import install_kernels


def check_precision(device: Device, precision: str, cache: str) -> None:
    """Refuse what a device cannot do.

    Raises:
        BuildError: INT8 or INT4 for a GPU.
    """
    for name, value in (("precision", precision), ("cache", cache)):
        if device == "cuda" and value not in PRECISIONS:
            raise BuildError(
                f'{name} is "{value}" with device "cuda"; allowed: "fp32", "fp16"; or build for device "cpu"'
            )


def checking_device(built_for: Device) -> Device:
    """What compares a graph with its origin: the device that it was built for, where there is one."""
    return "cuda" if built_for == "cuda" and has_cuda() else "cpu"


def save_graph(graph: GraphBuilder, path: Path) -> None:
    """Write a graph and its weights.

    Raises:
        BuildError: it is for a GPU and has an operator that runs on a CPU alone.
    """
    if graph.device == "cuda":
        check_cuda_operators(graph)
    graph.save(path, external=True)


def install_device_parts(
    folder: Path, kv_heads: Mapping[str, Sequence[int]], head_size: int, cache: CacheKind, device: Device
) -> None:
    """Put into a version folder what the graphs need beside them.

    Args:
        folder: the version folder.
        kv_heads: heads of each layer, for "cache" and, with an encoder, "cross".
        head_size: channels of a head.
        cache: what keys and values are kept in.
        device: what will run the graphs.
    """
    if device == "cpu":
        install_kernels(folder)
        return
    for what, heads in kv_heads.items():
        graph = build_cache_copy_graph(what, heads, head_size, cache)
        check_cuda_operators(graph)
        graph.save(folder / copy_graph_file(what), external=False)
