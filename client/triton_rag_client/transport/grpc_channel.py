"""What the two gRPC shells share: how a channel is set up and a request's metadata made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import grpc

from triton_rag_client.core.headers import checked_headers

if TYPE_CHECKING:
    from collections.abc import Mapping

    from triton_rag_client.address import TlsFiles

__all__ = ["CHANNEL_OPTIONS", "END_WAIT_S", "LEFT_ALONE_S", "credentials", "metadata"]

CHANNEL_OPTIONS: Final = (
    # Passages of many rows pass gRPC's default of 4 MB.
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    # A server that comes back is found within the pauses of our own retries, not after gRPC's two minutes.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 2000),
    # One place decides about sending again: core/retry.py.
    ("grpc.enable_retries", 0),
)

# Tritonserver 2.51 may crash when a call is cancelled just as it answers (server#7368, #8034; mended since).
# So a call whose time is over is left alone for a while: the server knows its deadline and ends it by itself.
END_WAIT_S: Final = 1.0
"""How long a stream that told of an error, or is out of time, may take to end by itself."""
LEFT_ALONE_S: Final = 5.0
"""How long a unary call that is out of time may take to end by itself; nobody waits for it."""


def credentials(tls: TlsFiles) -> grpc.ChannelCredentials:
    """Credentials that check the server's certificate and name."""
    tls.context()  # gRPC says nothing when a file is not PEM
    _, certificate, key = tls.contents()
    return grpc.ssl_channel_credentials(tls.roots(), key, certificate)


def metadata(headers: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Headers as gRPC wants them.

    Raises:
        ClientSetupError: A header cannot be sent.
    """
    return tuple(checked_headers(headers, "grpc"))
