"""Loads a graph as steps of changing shape want it, on the device that it was built for.

A graph for a CPU is of our own operators, whose library lies beside it; one for a GPU is of operators that
ONNX Runtime's CUDA provider has, and its CPU provider too, so that it can be checked without a GPU.
"""

from pathlib import Path
from typing import Any

import onnxruntime as ort

from generation.errors import SettingsError

KERNELS_FILE = "libtriton_rag_kernels.so"
"""The library of operators beside the graph; `export` compiles it."""

CPU, CUDA = "cpu", "cuda"
_CPU_PROVIDER, _CUDA_PROVIDER = "CPUExecutionProvider", "CUDAExecutionProvider"
# Caches and scores in FP32 are meant as FP32; shapes change, so memory is taken as it is asked for.
_CUDA_OPTIONS = {"device_id": "0", "use_tf32": "0", "arena_extend_strategy": "kSameAsRequested"}


def has_cuda() -> bool:
    """Whether the onnxruntime at hand was built with a CUDA provider."""
    return _CUDA_PROVIDER in ort.get_available_providers()


def load_session(
    path: Path, threads: int, *, device: str = CPU, is_occasional: bool = False
) -> ort.InferenceSession:
    """A session over a graph and its weights.

    Args:
        path: the graph; the library of operators lies beside it.
        threads: threads of the graph; 0: one for each core.
        device: what runs it, "cpu" or "cuda", which is the first GPU that CUDA shows.
        is_occasional: whether its threads sleep at once when a run ends, instead of waiting busily for the
            next: for a graph that runs beside another which needs the cores.

    Raises:
        SettingsError: the file is missing or broken, or there is no such device.
    """
    if device == CUDA and not has_cuda():
        raise _no_gpu(path, f"the onnxruntime at hand has {', '.join(ort.get_available_providers())} alone")
    if device == CUDA:
        ort.preload_dlls()  # of CUDA and cuDNN, where pip installed them
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    # Shapes change from step to step: a plan of the memory for each would grow without end.
    options.enable_mem_pattern = False
    if is_occasional:
        options.add_session_config_entry("session.force_spinning_stop", "1")
    kernels = path.with_name(KERNELS_FILE)
    providers: list[Any] = [(_CUDA_PROVIDER, _CUDA_OPTIONS)] if device == CUDA else []
    try:
        if kernels.exists():
            options.register_custom_ops_library(str(kernels))
        session = ort.InferenceSession(path, options, providers=[*providers, _CPU_PROVIDER])
    except Exception as error:  # ONNX Runtime's errors share no public class
        raise SettingsError(f"{path} does not load ({error}); build the repository again") from error
    if device == CUDA and _CUDA_PROVIDER not in session.get_providers():
        raise _no_gpu(path, "ONNX Runtime could not start its CUDA provider, and its log says why")
    return session


def _no_gpu(path: Path, reason: str) -> SettingsError:
    return SettingsError(
        f'{path} was built with generator.device = "cuda", but {reason}; on a machine with an NVIDIA GPU '
        "pip uninstall onnxruntime, then pip install 'triton-rag[serve,gpu]'; "
        'or build the repository again with generator.device = "cpu"'
    )
