"""One graph, run in two ways: a single call on all threads, or as many calls at once as there are threads.

Threads that share a call wait for each other after each of its operators; threads that have a call each do
not. So a batch of several calls runs each on one thread. This loads the graph once more when it is first
needed: a server of single queries never does.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import onnxruntime

from query_encoding.errors import EncoderFilesError
from query_encoding.settings import KERNELS_FILE

Feeds = dict[str, npt.NDArray[np.generic]]
Vectors = npt.NDArray[np.float32]
Call = TypeVar("Call")


class GraphSessions:
    """A graph on ONNX Runtime's CPU kernels.

    Args:
        path: the graph.
        threads: how many threads it may use; 0 takes all cores of this process.

    Raises:
        EncoderFilesError: the graph is missing or cannot be loaded.
    """

    def __init__(self, path: Path, threads: int) -> None:
        self.threads = threads or len(os.sched_getaffinity(0))
        self._path = path
        self._wide = load_session(path, self.threads)

    @property
    def input_names(self) -> Sequence[str]:
        """What the graph is fed."""
        return [entry.name for entry in self._wide.get_inputs()]

    def run(self, calls: Sequence[Call], feeds: Callable[[Call], Feeds]) -> Iterator[tuple[Call, Vectors]]:
        """Run one call on all threads, several on one thread each; results come in the order of the calls.

        Args:
            calls: what to run.
            feeds: makes a call's input, in the call's thread.
        """
        if len(calls) < 2:
            for call in calls:
                yield call, _run(self._wide, feeds(call))
            return
        narrow = self._narrow  # not in the pool: a cached property has no lock, each thread might load it
        with ThreadPoolExecutor(self.threads) as pool:
            yield from pool.map(lambda call: (call, _run(narrow, feeds(call))), calls)

    @cached_property
    def _narrow(self) -> onnxruntime.InferenceSession:
        return self._wide if self.threads == 1 else load_session(self._path, 1)


def load_session(path: Path, threads: int) -> onnxruntime.InferenceSession:
    """A session over a graph, with our own operators where it was built with them.

    Args:
        path: the graph; the library of operators lies beside it.
        threads: how many threads it uses; 0 takes all cores.

    Raises:
        EncoderFilesError: the graph is missing or cannot be loaded.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    # Threads that went on spinning after a call would take the cores of the steps that come next.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    kernels = path.with_name(KERNELS_FILE)
    try:
        if kernels.exists():
            options.register_custom_ops_library(str(kernels))
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's errors share no public class
        raise EncoderFilesError(f"{path} cannot be loaded ({error}): build the repository again") from error


def _run(session: onnxruntime.InferenceSession, feeds: Feeds) -> Vectors:
    vectors: Vectors = session.run(None, feeds)[0]
    return vectors
