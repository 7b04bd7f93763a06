"""Loads a graph as steps of changing shape want it, with our own operators where it was built with them."""

from pathlib import Path

import onnxruntime as ort

from generation.errors import SettingsError

KERNELS_FILE = "libtriton_rag_kernels.so"
"""The library of operators beside the graph; `export` compiles it."""


def load_session(path: Path, threads: int, *, is_occasional: bool = False) -> ort.InferenceSession:
    """A session over a graph and its weights.

    Args:
        path: the graph; the library of operators lies beside it.
        threads: threads of the graph; 0: one for each core.
        is_occasional: whether its threads sleep at once when a run ends, instead of waiting busily for the
            next: for a graph that runs beside another which needs the cores.

    Raises:
        SettingsError: the file is missing or broken.
    """
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    # Shapes change from step to step: a plan of the memory for each would grow without end.
    options.enable_mem_pattern = False
    if is_occasional:
        options.add_session_config_entry("session.force_spinning_stop", "1")
    kernels = path.with_name(KERNELS_FILE)
    try:
        if kernels.exists():
            options.register_custom_ops_library(str(kernels))
        return ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's errors share no public class
        raise SettingsError(f"{path} does not load ({error}); build the repository again") from error
