"""An ensemble of Python models that pass a string on: what Triton costs a pipeline that does nothing."""

import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import tritonclient.grpc as triton
from triton_rag_server import TritonServer

_MODEL = """
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def execute(self, requests):
        tensors = [pb_utils.get_input_tensor_by_name(request, "IN").as_numpy() for request in requests]
        return [pb_utils.InferenceResponse([pb_utils.Tensor("OUT", tensor)]) for tensor in tensors]
"""
_CONFIG = """
name: "{name}"
{kind}
max_batch_size: 8
input [ {{ name: "IN" data_type: TYPE_STRING dims: [ 1 ] }} ]
output [ {{ name: "OUT" data_type: TYPE_STRING dims: [ 1 ] }} ]
"""
_STEP = """
  {{
    model_name: "step_{number}" model_version: -1
    input_map {{ key: "IN" value: "{source}" }}
    output_map {{ key: "OUT" value: "{target}" }}
  }}"""


class EmptyPipeline:
    """A server over an ensemble of `steps` empty Python models; a context manager."""

    def __init__(self, steps: int) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="empty-pipeline-")
        self._server = TritonServer(_write(Path(self._folder.name), steps))

    def __enter__(self) -> Self:
        self._server.start()
        self._client = triton.InferenceServerClient(self._server.grpc_url.removeprefix("grpc://"))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()
        self._server.stop()
        self._folder.cleanup()

    def call(self, text: str) -> object:
        """Send a text through all steps; returns it as the array (1, 1) that comes out."""
        tensor = triton.InferInput("IN", [1, 1], "BYTES")
        tensor.set_data_from_numpy(np.array([[text.encode()]], dtype=np.object_))
        return self._client.infer("pipeline", [tensor]).as_numpy("OUT")


def _write(repository: Path, steps: int) -> Path:
    for number in range(steps):
        version = repository / f"step_{number}" / "1"
        version.mkdir(parents=True)
        (version / "model.py").write_text(_MODEL)
        config = _CONFIG.format(name=f"step_{number}", kind='backend: "python"')
        (version.parent / "config.pbtxt").write_text(config)
    tensors = ["IN", *(f"between_{number}" for number in range(1, steps)), "OUT"]
    maps = [
        _STEP.format(number=number, source=tensors[number], target=tensors[number + 1])
        for number in range(steps)
    ]
    (repository / "pipeline" / "1").mkdir(parents=True)
    config = _CONFIG.format(name="pipeline", kind='platform: "ensemble"')
    config += f"ensemble_scheduling {{ step [{','.join(maps)}\n] }}\n"
    (repository / "pipeline" / "config.pbtxt").write_text(config)
    return repository
