"""Raw requests to a live server through gRPC and HTTP: what no client of ours would send.

An `Ask` sends tensors to a model and gives back either its outputs or the `Refusal`. `rag_stream` is asked by
a gRPC stream or by `/generate_stream`, and its outputs are those of all responses, one after the other.
"""

import json
import queue
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import httpx2
import numpy as np
import pytest
from triton_rag_server import TritonServer
from tritonclient.grpc import InferenceServerClient, InferInput, InferResult
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

Tensors = dict[str, np.ndarray]
Outputs = dict[str, list[Any]]


@dataclass(frozen=True)
class Refusal:
    """An error as the wire carries it: gRPC's status, or the name of the HTTP status for the same.

    The status is empty for an error inside a gRPC stream, which is text alone.
    """

    status: str
    message: str


class Ask(Protocol):
    """Asks a model over one wire; a `timeout_us` of 0 is none."""

    def __call__(self, model: str, tensors: Tensors, timeout_us: int = 0) -> Refusal | Outputs: ...


STATUS_OF_HTTP = {
    200: "OK",  # of a stream that fails after its first response
    400: "INVALID_ARGUMENT",
    404: "NOT_FOUND",
    499: "CANCELLED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
}


def text_rows(*rows: str | bytes) -> np.ndarray:
    """Rows of one text each, as Triton's BYTES: (rows, 1)."""
    return np.array([[row.encode() if isinstance(row, str) else row] for row in rows], dtype=np.object_)


@pytest.fixture(scope="session")
def ask_grpc(rag_server: TritonServer) -> Iterator[Ask]:
    address = rag_server.grpc_url.removeprefix("grpc://")
    client = InferenceServerClient(address)

    def ask(model: str, tensors: Tensors, timeout_us: int = 0) -> Refusal | Outputs:
        inputs = []
        for name, value in tensors.items():
            tensor = InferInput(name, list(value.shape), np_to_triton_dtype(value.dtype))
            inputs.append(tensor.set_data_from_numpy(value))
        timeout = timeout_us or None
        try:
            if model == "rag_stream":
                return _joined(_streamed(address, model, inputs, timeout))
            return _joined([client.infer(model, inputs, timeout=timeout, client_timeout=120)])
        except InferenceServerException as error:
            return Refusal(str(error.status() or "").removeprefix("StatusCode."), error.message())

    yield ask
    client.close()


def _streamed(
    address: str, model: str, inputs: list[InferInput], timeout_us: int | None
) -> Iterator[InferResult]:
    """The responses of a stream of its own."""
    replies: queue.Queue[tuple[InferResult | None, InferenceServerException | None]] = queue.Queue()
    with InferenceServerClient(address) as client:
        client.start_stream(lambda result, error: replies.put((result, error)))
        client.async_stream_infer(model, inputs, timeout=timeout_us, enable_empty_final_response=True)
        while True:
            result, error = replies.get(timeout=120)
            if result is None:
                raise error
            yield result
            if result.get_response().parameters["triton_final_response"].bool_param:
                return


def _joined(results: Any) -> Outputs:
    outputs: Outputs = {}
    for result in results:
        for output in result.get_response().outputs:
            outputs.setdefault(output.name, []).extend(result.as_numpy(output.name).reshape(-1).tolist())
    return outputs


@pytest.fixture(scope="session")
def ask_http(rag_server: TritonServer) -> Iterator[Ask]:
    client = httpx2.Client(base_url=rag_server.http_url, timeout=120)

    def ask(model: str, tensors: Tensors, timeout_us: int = 0) -> Refusal | Outputs:
        if model == "rag_stream":
            path = f"/v2/models/{model}/generate_stream"
            return _read_events(client.post(path, content=json_request(tensors, timeout_us)))
        header, body = binary_request(tensors, timeout_us)
        response = client.post(
            f"/v2/models/{model}/infer",
            content=header + body,
            headers={"Inference-Header-Content-Length": str(len(header))},
        )
        if response.status_code != 200:
            return Refusal(STATUS_OF_HTTP[response.status_code], response.json()["error"])
        return {
            output["name"]: [item.encode() if isinstance(item, str) else item for item in output["data"]]
            for output in response.json()["outputs"]
        }

    yield ask
    client.close()


def _read_events(response: httpx2.Response) -> Refusal | Outputs:
    outputs: Outputs = {}
    for line in filter(None, response.text.splitlines()):
        event = json.loads(line.removeprefix("data: "))
        if "error" in event:
            return Refusal(STATUS_OF_HTTP[response.status_code], event["error"])
        for name, value in event.items():
            outputs.setdefault(name, []).extend(value if isinstance(value, list) else [value])
    return outputs


def json_request(tensors: Tensors, timeout_us: int) -> bytes:
    """A request to `/generate_stream`; bytes that are no UTF-8 stay as they are."""
    values: dict[str, Any] = {"timeout": timeout_us} if timeout_us else {}
    for name, value in tensors.items():
        items = [
            item.decode("utf-8", "surrogateescape") if isinstance(item, bytes) else item
            for item in value.reshape(-1).tolist()
        ]
        values[name] = items[0] if len(items) == 1 else items
    return json.dumps(values, ensure_ascii=False).encode("utf-8", "surrogateescape")


def binary_request(tensors: Tensors, timeout_us: int = 0) -> tuple[bytes, bytes]:
    """A request in the binary tensor data extension of the KServe protocol: any bytes can be sent."""
    inputs, parts = [], []
    for name, value in tensors.items():
        data = (
            b"".join(struct.pack("<I", len(item)) + item for item in value.reshape(-1))
            if value.dtype == np.object_
            else value.tobytes()
        )
        parts.append(data)
        inputs.append(
            {
                "name": name,
                "shape": list(value.shape),
                "datatype": np_to_triton_dtype(value.dtype),
                "parameters": {"binary_data_size": len(data)},
            }
        )
    parameters = {"timeout": timeout_us} if timeout_us else {}
    return json.dumps({"inputs": inputs, "parameters": parameters}).encode(), b"".join(parts)


@pytest.fixture(params=["grpc", "http"])
def ask(request: pytest.FixtureRequest) -> Ask:
    return request.getfixturevalue(f"ask_{request.param}")
