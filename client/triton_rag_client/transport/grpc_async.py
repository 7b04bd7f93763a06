"""gRPC on asyncio. A task that is cancelled cancels its call."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Any

import grpc
import grpc.aio
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

__all__ = ["AsyncGrpcTransport"]


class AsyncGrpcTransport:
    """One channel to one server, used in one event loop."""

    def __init__(self, address: Address, tls: TlsFiles, headers: Mapping[str, str]) -> None:
        self.closed = asyncio.Event()
        self._target = address.target
        self._metadata = metadata(headers)
        self._credentials = credentials(tls) if address.is_secure else None
        self._channel: Any = None
        self._left_alone: set[asyncio.Task[Any]] = set()

    async def send(self, request: GrpcRequest, timeout_s: float) -> Any:
        """A unary call."""
        method = getattr(self._stub(), request.method)
        call = method(request.message, timeout=timeout_s + LEFT_ALONE_S, metadata=self._metadata)
        reply = asyncio.create_task(_reply(call))
        try:
            ended, _ = await asyncio.wait((reply,), timeout=timeout_s)
        except asyncio.CancelledError:
            reply.cancel()
            raise
        if not ended:
            self._left_alone.add(reply)
            reply.add_done_callback(self._forget)
            raise grpc_failure(grpc.StatusCode.DEADLINE_EXCEEDED, None)
        return reply.result()

    async def open(self, request: GrpcRequest, timeout_s: float) -> _Stream:
        """A stream with one request in it."""
        method = getattr(self._stub(), request.method)
        ends_s = time.monotonic() + timeout_s
        limit_s = timeout_s + END_WAIT_S
        return _Stream(method(iter((request.message,)), timeout=limit_s, metadata=self._metadata), ends_s)

    async def close(self) -> None:
        """Close the channel; requests in it are cancelled."""
        self.closed.set()
        if self._channel is not None:
            await self._channel.close()

    def _forget(self, reply: asyncio.Task[Any]) -> None:
        self._left_alone.discard(reply)
        if not reply.cancelled():
            reply.exception()  # nobody waits for it; asked for, so that asyncio does not complain

    def _stub(self) -> Any:
        if (
            self._channel is None
        ):  # a channel belongs to the event loop it is made in, and only now there is one
            if self._credentials is None:
                self._channel = grpc.aio.insecure_channel(self._target, CHANNEL_OPTIONS)
            else:
                self._channel = grpc.aio.secure_channel(self._target, self._credentials, CHANNEL_OPTIONS)
        return service_pb2_grpc.GRPCInferenceServiceStub(self._channel)


async def _reply(call: Any) -> Any:
    try:
        return await call
    except grpc.aio.AioRpcError as error:
        raise grpc_failure(error.code(), error.details()) from error


class _Stream:
    """A call whose deadline the server keeps, and gRPC itself a little later."""

    head = None

    def __init__(self, call: Any, ends_s: float) -> None:
        self._call = call
        self._ends_s = ends_s
        self._has_failed = False

    async def receive(self, timeout_s: float) -> Any:
        try:
            piece = await self._call.read()
        except grpc.aio.AioRpcError as error:
            raise grpc_failure(error.code(), error.details()) from error
        if piece is grpc.aio.EOF:
            return None
        self._has_failed = bool(piece.error_message)
        return piece

    async def close(self) -> None:
        if self._has_failed or time.monotonic() >= self._ends_s:
            await self._let_end()
        self._call.cancel()

    async def _let_end(self) -> None:
        """Read to the end that follows, rather than cancel what is about to end."""
        with contextlib.suppress(TimeoutError, grpc.aio.AioRpcError):
            async with asyncio.timeout(END_WAIT_S):
                while await self._call.read() is not grpc.aio.EOF:
                    pass
