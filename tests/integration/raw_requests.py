"""Raw requests to a live server through gRPC and HTTP: what no client of ours would send.

An `Ask` sends tensors to a model and gives back either its outputs or the `Refusal`.
"""

import json
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx2
import numpy as np
import pytest
from triton_rag_server import TritonServer
from tritonclient.grpc import InferenceServerClient, InferInput
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

Tensors = dict[str, np.ndarray]
Outputs = dict[str, list[Any]]


@dataclass(frozen=True)
class Refusal:
    """An error as the wire carries it: gRPC's status, or the name of the HTTP status for the same."""

    status: str
    message: str


Ask = Callable[[str, Tensors], Refusal | Outputs]
STATUS_OF_HTTP = {400: "INVALID_ARGUMENT", 404: "NOT_FOUND", 500: "INTERNAL", 503: "UNAVAILABLE"}


def text_rows(*rows: str | bytes) -> np.ndarray:
    """Rows of one text each, as Triton's BYTES: (rows, 1)."""
    return np.array([[row.encode() if isinstance(row, str) else row] for row in rows], dtype=np.object_)


@pytest.fixture(scope="session")
def ask_grpc(rag_server: TritonServer) -> Iterator[Ask]:
    client = InferenceServerClient(rag_server.grpc_url.removeprefix("grpc://"))

    def ask(model: str, tensors: Tensors) -> Refusal | Outputs:
        inputs = []
        for name, value in tensors.items():
            tensor = InferInput(name, list(value.shape), np_to_triton_dtype(value.dtype))
            inputs.append(tensor.set_data_from_numpy(value))
        try:
            result = client.infer(model, inputs, client_timeout=120)
        except InferenceServerException as error:
            return Refusal(str(error.status()).removeprefix("StatusCode."), error.message())
        return {
            output.name: result.as_numpy(output.name).reshape(-1).tolist()
            for output in result.get_response().outputs
        }

    yield ask
    client.close()


@pytest.fixture(scope="session")
def ask_http(rag_server: TritonServer) -> Iterator[Ask]:
    client = httpx2.Client(base_url=rag_server.http_url, timeout=120)

    def ask(model: str, tensors: Tensors) -> Refusal | Outputs:
        header, body = binary_request(tensors)
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


def binary_request(tensors: Tensors) -> tuple[bytes, bytes]:
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
    return json.dumps({"inputs": inputs}).encode(), b"".join(parts)


@pytest.fixture(params=["grpc", "http"])
def ask(request: pytest.FixtureRequest) -> Ask:
    return request.getfixturevalue(f"ask_{request.param}")
