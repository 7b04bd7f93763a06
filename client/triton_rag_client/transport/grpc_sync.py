"""gRPC, blocking. grpcio's channels are safe to use from many threads."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING, Any

import grpc
from tritonclient.grpc import service_pb2_grpc

from triton_rag_client.core.grpc_wire import grpc_failure
from triton_rag_client.transport.grpc_channel import CHANNEL_OPTIONS, END_WAIT_S, credentials, metadata

if TYPE_CHECKING:
    from collections.abc import Mapping

    from triton_rag_client.address import Address, TlsFiles
    from triton_rag_client.core.grpc_wire import GrpcRequest

__all__ = ["GrpcTransport"]


class GrpcTransport:
    """One channel to one server."""

    def __init__(self, address: Address, tls: TlsFiles, headers: Mapping[str, str]) -> None:
        self.closed = threading.Event()
        self._metadata = metadata(headers)
        if address.is_secure:
            self._channel = grpc.secure_channel(address.target, credentials(tls), CHANNEL_OPTIONS)
        else:
            self._channel = grpc.insecure_channel(address.target, CHANNEL_OPTIONS)
        self._stub = service_pb2_grpc.GRPCInferenceServiceStub(self._channel)

    def send(self, request: GrpcRequest, timeout_s: float) -> Any:
        """A unary call."""
        method = getattr(self._stub, request.method)
        try:
            return method(request.message, timeout=timeout_s, metadata=self._metadata)
        except grpc.RpcError as error:
            raise grpc_failure(error.code(), error.details()) from error

    def open(self, request: GrpcRequest, timeout_s: float) -> _Stream:
        """A stream with one request in it."""
        method = getattr(self._stub, request.method)
        return _Stream(method(iter((request.message,)), timeout=timeout_s, metadata=self._metadata))

    def close(self) -> None:
        """Close the channel; requests in it are cancelled."""
        self.closed.set()
        self._channel.close()


class _Stream:
    """A call whose deadline gRPC itself keeps."""

    head = None

    def __init__(self, call: Any) -> None:
        self._call = call
        self._has_failed = False

    def receive(self, timeout_s: float) -> Any:
        try:
            piece = next(self._call, None)
        except grpc.RpcError as error:
            raise grpc_failure(error.code(), error.details()) from error
        self._has_failed = piece is not None and bool(piece.error_message)
        return piece

    def close(self) -> None:
        if self._has_failed:
            self._let_end()
        self._call.cancel()

    def _let_end(self) -> None:
        """Read to the end that follows an error, rather than cancel what is about to end."""
        timer = threading.Timer(END_WAIT_S, self._call.cancel)
        timer.daemon = True
        timer.start()
        with contextlib.suppress(grpc.RpcError):
            for _ in self._call:
                pass
        timer.cancel()
