"""What lies beside a graph for its device: our operators for a CPU, graphs that copy caches for a GPU."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from generation.cache_memory import copy_graph_file

from triton_rag_export.graph.cache_copy_graph import build_cache_copy_graph
from triton_rag_export.graph.causal_model import CacheKind
from triton_rag_export.graph.onnx_builder import Device
from triton_rag_export.kernels import install_kernels


def install_device_parts(
    folder: Path, kv_heads: Mapping[str, Sequence[int]], head_size: int, cache: CacheKind, device: Device
) -> None:
    """Put it into a version folder.

    Args:
        folder: the version folder.
        kv_heads: heads of each layer, for "cache" and, with an encoder, "cross".
        head_size: channels of a head.
        cache: what keys and values are kept in.
        device: what will run the graph.
    """
    if device == "cpu":
        install_kernels(folder)
        return
    for what, heads in kv_heads.items():
        build_cache_copy_graph(what, heads, head_size, cache).save(folder / copy_graph_file(what))
