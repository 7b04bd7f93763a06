"""Loads a graph as steps of changing shape want it."""

from pathlib import Path

import onnxruntime as ort

from generation.errors import SettingsError


def load_session(path: Path, threads: int, *, is_occasional: bool = False) -> ort.InferenceSession:
    """A session over a graph and its weights.

    Args:
        path: the graph.
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
    try:
        return ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's errors share no public class
        raise SettingsError(f"{path} does not load ({error}); build the repository again") from error
