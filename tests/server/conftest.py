"""Small real repositories, the real wheel, and what is left of a server."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from triton_rag_server import TritonServer
from triton_rag_server.cache_folder import CACHE_VARIABLE

CONFIG = """
name: "{name}"
backend: "python"
max_batch_size: 8
input [ {{ name: "IN" data_type: TYPE_STRING dims: [ 1 ] }} ]
output [ {{ name: "OUT" data_type: TYPE_STRING dims: [ 1 ] }} ]
instance_group [ {{ count: 1 kind: KIND_CPU }} ]
"""

MODEL = """
import os
from pathlib import Path

import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def initialize(self, args):
        {initialize}

    def execute(self, requests):
        responses = []
        for request in requests:
            values = pb_utils.get_input_tensor_by_name(request, "IN")
            {execute}
            responses.append(pb_utils.InferenceResponse([pb_utils.Tensor("OUT", values.as_numpy())]))
        return responses
"""

ModelWriter = Callable[..., Path]


@pytest.fixture
def write_model(tmp_path: Path) -> ModelWriter:
    """Write a model that gives back what it gets; returns its repository."""

    def write(name: str = "identity", *, initialize: str = "pass", execute: str = "pass") -> Path:
        return write_identity(tmp_path / "repository", name, initialize=initialize, execute=execute)

    return write


@pytest.fixture(scope="session")
def identity_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TritonServer]:
    """A running server over one model, for tests that do not stop it."""
    with TritonServer(write_identity(tmp_path_factory.mktemp("identity"), "identity")) as server:
        yield server


@pytest.fixture(scope="session")
def preparation(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, tuple[str, ...]]:
    """A cache folder to which two processes brought the embedded server at once, and what they said."""
    cache = tmp_path_factory.mktemp("cache")
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "triton_rag_server"],
            env={**os.environ, CACHE_VARIABLE: str(cache)},
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    return cache, tuple(process.communicate()[0] for process in processes)


def write_identity(repository: Path, name: str, *, initialize: str = "pass", execute: str = "pass") -> Path:
    version = repository / name / "1"
    version.mkdir(parents=True)
    (repository / name / "config.pbtxt").write_text(CONFIG.format(name=name))
    (version / "model.py").write_text(MODEL.format(initialize=initialize, execute=execute))
    return repository
