"""Calls and replies as HTTP.

`/infer` carries tensors as binary data behind a JSON header (Triton's binary tensor data extension): the
same bytes as gRPC's, and NaN needs no words. `/generate_stream` takes JSON and answers with server-sent
events.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from triton_rag_client.core.http_errors import http_failure, quoted
from triton_rag_client.core.http_stream import EventStreamReader, RefusalReader
from triton_rag_client.core.replies import Reply, read_reply
from triton_rag_client.core.tensors import OutputTensor
from triton_rag_client.core.wire import failure, microseconds
from triton_rag_client.errors import ProtocolError, RagError
from triton_rag_client.results import ServerMetadata

if TYPE_CHECKING:
    from collections.abc import Mapping

    from triton_rag_client.core.requests import InferenceCall
    from triton_rag_client.core.tensors import InputTensor

__all__ = ["HttpHead", "HttpReply", "HttpRequest", "HttpWire"]

_HEADER_LENGTH: Final = "inference-header-content-length"
_EVENT_STREAM: Final = "text/event-stream"


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """What is sent. `path` follows the client's address."""

    method: str
    path: str
    headers: Mapping[str, str]
    content: bytes = b""


@dataclass(frozen=True, slots=True)
class HttpHead:
    """How a reply begins. Names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class HttpReply:
    """A whole reply."""

    head: HttpHead
    content: bytes


class HttpWire:
    """KServe's HTTP protocol with Triton's extensions for binary data and generation."""

    def infer_request(self, call: InferenceCall, timeout_s: float) -> HttpRequest:
        """`POST /v2/models/NAME/infer`."""
        described = [_described(tensor) for tensor in call.inputs]
        parameters = {"binary_data_output": True, "timeout": microseconds(timeout_s)}
        header = json.dumps({"inputs": described, "parameters": parameters})
        return HttpRequest(
            "POST",
            f"v2/models/{call.model.name}/infer",
            {"content-type": "application/octet-stream", _HEADER_LENGTH: str(len(header.encode()))},
            header.encode() + b"".join(tensor.raw for tensor in call.inputs),
        )

    def infer_reply(self, call: InferenceCall, reply: HttpReply) -> Reply:
        """The outputs, or the error that the status tells."""
        _check_status(reply)
        try:
            size = int(reply.head.headers[_HEADER_LENGTH])
            outputs = _outputs(json.loads(reply.content[:size]), reply.content[size:])
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise _unreadable(reply, error) from error
        return read_reply(call.model, call.rows, outputs)

    def stream_request(self, call: InferenceCall, timeout_s: float) -> HttpRequest:
        """`POST /v2/models/NAME/generate_stream`."""
        values: dict[str, object] = {tensor.name: list(tensor.values) for tensor in call.inputs}
        values["timeout"] = microseconds(timeout_s)
        return HttpRequest(
            "POST",
            f"v2/models/{call.model.name}/generate_stream",
            {"content-type": "application/json", "accept": _EVENT_STREAM},
            json.dumps(values).encode(),
        )

    def stream_reader(self, call: InferenceCall, head: HttpHead) -> EventStreamReader | RefusalReader:
        """A reader of events, or of the refusal that came in their place."""
        if head.headers.get("content-type", "").startswith(_EVENT_STREAM):
            return EventStreamReader(call)
        return RefusalReader(head.status)

    def config_request(self, model: str) -> HttpRequest:
        """`GET /v2/models/NAME/config`."""
        return HttpRequest("GET", f"v2/models/{model}/config", {})

    def max_rows(self, reply: HttpReply) -> int:
        """Its `max_batch_size`, or the error that the status tells."""
        _check_status(reply)
        try:
            return int(json.loads(reply.content)["max_batch_size"])
        except (ValueError, TypeError, KeyError) as error:
            raise _unreadable(reply, error) from error

    def ready_request(self) -> HttpRequest:
        """`GET /v2/health/ready`."""
        return HttpRequest("GET", "v2/health/ready", {})

    def is_ready(self, reply: HttpReply) -> bool:
        """Triton says 200 when ready and 400 when not."""
        if reply.head.status in (401, 403, 404, 407):
            _check_status(reply)
        return reply.head.status == 200

    def metadata_request(self) -> HttpRequest:
        """`GET /v2`."""
        return HttpRequest("GET", "v2", {})

    def server_metadata(self, reply: HttpReply) -> ServerMetadata:
        """What it says, or the error that the status tells."""
        _check_status(reply)
        try:
            facts = json.loads(reply.content)
            return ServerMetadata(
                str(facts["name"]), str(facts["version"]), tuple(map(str, facts["extensions"]))
            )
        except (ValueError, TypeError, KeyError) as error:
            raise _unreadable(reply, error) from error


def _described(tensor: InputTensor) -> dict[str, object]:
    return {
        "name": tensor.name,
        "datatype": tensor.data_type,
        "shape": list(tensor.shape),
        "parameters": {"binary_data_size": len(tensor.raw)},
    }


def _outputs(header: Any, content: bytes) -> list[OutputTensor]:
    outputs = []
    for described in header["outputs"]:
        size = described["parameters"]["binary_data_size"]
        outputs.append(
            OutputTensor(described["name"], described["datatype"], tuple(described["shape"]), content[:size])
        )
        content = content[size:]
    return outputs


def _check_status(reply: HttpReply) -> None:
    if reply.head.status != 200:
        raise http_failure(reply.head.status, reply.content)


def _unreadable(reply: HttpReply, error: Exception) -> RagError:
    said = f"the reply cannot be read ({type(error).__name__}: {error}): {quoted(reply.content)}"
    return failure(ProtocolError, said)
