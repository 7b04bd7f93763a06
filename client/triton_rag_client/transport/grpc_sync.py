"""gRPC, blocking. grpcio's channels are safe to use from many threads."""

from __future__ import annotations

import contextlib
import threading
import time
from typing import TYPE_CHECKING, Any

import grpc
from tritonclient.grpc import service_pb2_grpc

from triton_rag_client.core.grpc_wire import grpc_failure
from triton_rag_client.transport.grpc_channel import (
    CHANNEL_OPTIONS,
    END_WAIT_S,
    LEFT_ALONE_S,
    credentials,
    metadata,
)

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
        self._left_alone: set[Any] = set()  # a call that nothing holds is cancelled
        if address.is_secure:
            self._channel = grpc.secure_channel(address.target, credentials(tls), CHANNEL_OPTIONS)
        else:
            self._channel = grpc.insecure_channel(address.target, CHANNEL_OPTIONS)
        self._stub = service_pb2_grpc.GRPCInferenceServiceStub(self._channel)

    def send(self, request: GrpcRequest, timeout_s: float) -> Any:
        """A unary call."""
        method = getattr(self._stub, request.method)
        call = method.future(request.message, timeout=timeout_s + LEFT_ALONE_S, metadata=self._metadata)
        try:
            return call.result(timeout_s)
        except grpc.FutureTimeoutError as error:
            self._left_alone.add(call)
            call.add_done_callback(self._left_alone.discard)
            raise grpc_failure(grpc.StatusCode.DEADLINE_EXCEEDED, None) from error
        except grpc.RpcError as error:
            raise grpc_failure(error.code(), error.details()) from error

    def open(self, request: GrpcRequest, timeout_s: float) -> _Stream:
        """A stream with one request in it."""
        method = getattr(self._stub, request.method)
        ends_s = time.monotonic() + timeout_s
        limit_s = timeout_s + END_WAIT_S
        return _Stream(method(iter((request.message,)), timeout=limit_s, metadata=self._metadata), ends_s)

    def close(self) -> None:
        """Close the channel; requests in it are cancelled."""
        self.closed.set()
        self._channel.close()


class _Stream:
    """A call whose deadline the server keeps, and gRPC itself a little later."""

    head = None

    def __init__(self, call: Any, ends_s: float) -> None:
        self._call = call
        self._ends_s = ends_s
        self._has_failed = False

    def receive(self, timeout_s: float) -> Any:
        try:
            piece = next(self._call, None)
        except grpc.RpcError as error:
            raise grpc_failure(error.code(), error.details()) from error
        self._has_failed = piece is not None and bool(piece.error_message)
        return piece

    def close(self) -> None:
        if self._has_failed or time.monotonic() >= self._ends_s:
            self._let_end()
        self._call.cancel()

    def _let_end(self) -> None:
        """Read to the end that follows, rather than cancel what is about to end."""
        timer = threading.Timer(END_WAIT_S, self._call.cancel)
        timer.daemon = True
        timer.start()
        with contextlib.suppress(grpc.RpcError):
            for _ in self._call:
                pass
        timer.cancel()
