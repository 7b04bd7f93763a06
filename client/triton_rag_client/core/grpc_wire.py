"""Calls and replies as KServe protobuf messages, and gRPC's status codes as our errors.

Triton reports an error in a stream as text without a code. Metadata can ask it for real gRPC errors instead
(`triton_grpc_error`), but a tritonserver 2.51 that answers the refusal of an ensemble that way dies: in a few
such requests, tried. So its text must tell the kind of error (`unnamed_errors`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import grpc
from tritonclient.grpc import service_pb2

from triton_rag_client.core.replies import Reply, read_reply
from triton_rag_client.core.tensors import OutputTensor
from triton_rag_client.core.unnamed_errors import kind_of, more_exact_kind
from triton_rag_client.core.wire import failure, microseconds
from triton_rag_client.errors import (
    AccessDeniedError,
    ConnectionFailedError,
    DeadlineExceededError,
    InvalidRequestError,
    LimitExceededError,
    ModelNotFoundError,
    ProtocolError,
    RagError,
    RequestCancelledError,
    ServerError,
    UnavailableError,
)
from triton_rag_client.results import ServerMetadata

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from triton_rag_client.core.requests import InferenceCall

__all__ = ["STATUS_ERRORS", "GrpcRequest", "GrpcWire", "grpc_failure"]

STATUS_ERRORS: Final[Mapping[grpc.StatusCode, type[RagError]]] = {
    grpc.StatusCode.CANCELLED: RequestCancelledError,
    grpc.StatusCode.UNKNOWN: ServerError,
    grpc.StatusCode.INVALID_ARGUMENT: InvalidRequestError,
    grpc.StatusCode.DEADLINE_EXCEEDED: DeadlineExceededError,
    grpc.StatusCode.NOT_FOUND: ModelNotFoundError,
    grpc.StatusCode.ALREADY_EXISTS: ServerError,
    grpc.StatusCode.PERMISSION_DENIED: AccessDeniedError,
    grpc.StatusCode.UNAUTHENTICATED: AccessDeniedError,
    grpc.StatusCode.RESOURCE_EXHAUSTED: LimitExceededError,
    grpc.StatusCode.FAILED_PRECONDITION: InvalidRequestError,
    grpc.StatusCode.ABORTED: ServerError,
    grpc.StatusCode.OUT_OF_RANGE: InvalidRequestError,
    grpc.StatusCode.UNIMPLEMENTED: ProtocolError,
    grpc.StatusCode.INTERNAL: ServerError,
    grpc.StatusCode.UNAVAILABLE: UnavailableError,
    grpc.StatusCode.DATA_LOSS: ServerError,
}
"""Every status code but OK."""

# The server and grpcio itself both say UNAVAILABLE; only the text tells a full queue from a dead address.
_CONNECTION: Final = re.compile(
    r"connect|socket|dns|resol|handshake|\bssl\b|\btls\b|goaway|transport", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class GrpcRequest:
    """A method of the KServe service and its message."""

    method: str
    message: Any


def grpc_failure(code: grpc.StatusCode, details: str | None) -> RagError:
    """The error for a status code and its text."""
    kind = more_exact_kind(STATUS_ERRORS.get(code, ServerError), details or "")
    if kind is UnavailableError and _CONNECTION.search(details or ""):
        kind = ConnectionFailedError
    return failure(kind, details or f"gRPC status {code.name}")


class GrpcWire:
    """KServe's gRPC protocol."""

    def infer_request(self, call: InferenceCall, timeout_s: float) -> GrpcRequest:
        """A unary `ModelInfer`."""
        return GrpcRequest("ModelInfer", _message(call, timeout_s))

    def infer_reply(self, call: InferenceCall, reply: Any) -> Reply:
        """The outputs of a `ModelInferResponse`."""
        return _read(call, reply)

    def stream_request(self, call: InferenceCall, timeout_s: float) -> GrpcRequest:
        """A `ModelStreamInfer` of one request, which asks for a last response that says so."""
        message = _message(call, timeout_s)
        message.parameters["triton_enable_empty_final_response"].bool_param = True
        return GrpcRequest("ModelStreamInfer", message)

    def stream_reader(self, call: InferenceCall, head: object) -> _GrpcStreamReader:
        """A reader of `ModelStreamInferResponse` messages."""
        return _GrpcStreamReader(call)

    def config_request(self, model: str) -> GrpcRequest:
        """`ModelConfig`."""
        return GrpcRequest("ModelConfig", service_pb2.ModelConfigRequest(name=model))

    def max_rows(self, reply: Any) -> int:
        """Its `max_batch_size`."""
        return int(reply.config.max_batch_size)

    def ready_request(self) -> GrpcRequest:
        """`ServerReady`."""
        return GrpcRequest("ServerReady", service_pb2.ServerReadyRequest())

    def is_ready(self, reply: Any) -> bool:
        """What it says."""
        return bool(reply.ready)

    def metadata_request(self) -> GrpcRequest:
        """`ServerMetadata`."""
        return GrpcRequest("ServerMetadata", service_pb2.ServerMetadataRequest())

    def server_metadata(self, reply: Any) -> ServerMetadata:
        """What it says."""
        return ServerMetadata(reply.name, reply.version, tuple(reply.extensions))


class _GrpcStreamReader:
    def __init__(self, call: InferenceCall) -> None:
        self._call = call
        self._is_started = False

    def feed(self, piece: Any) -> Iterator[Reply]:
        if piece.error_message:
            raise failure(kind_of(piece.error_message, is_started=self._is_started), piece.error_message)
        response = piece.infer_response
        if not response.outputs and response.parameters["triton_final_response"].bool_param:
            return
        self._is_started = True
        yield _read(self._call, response)

    def end(self) -> None:
        """Nothing is left to say: gRPC ends a broken stream with a status."""


def _message(call: InferenceCall, timeout_s: float) -> Any:
    message = service_pb2.ModelInferRequest(model_name=call.model.name)
    message.parameters["timeout"].int64_param = microseconds(timeout_s)
    for tensor in call.inputs:
        message.inputs.add(name=tensor.name, datatype=tensor.data_type, shape=tensor.shape)
        message.raw_input_contents.append(tensor.raw)
    return message


def _read(call: InferenceCall, response: Any) -> Reply:
    outputs, contents = response.outputs, response.raw_output_contents
    if len(outputs) != len(contents):
        raise failure(
            ProtocolError,
            f"the reply of {call.model.name} has {len(outputs)} outputs, but the bytes of {len(contents)}",
        )
    return read_reply(
        call.model,
        call.rows,
        (
            OutputTensor(output.name, output.datatype, tuple(output.shape), raw)
            for output, raw in zip(outputs, contents, strict=True)
        ),
    )
