"""What every shell says once its client is closed."""

from __future__ import annotations

from triton_rag_client.errors import RequestCancelledError

__all__ = ["client_closed"]


def client_closed() -> RequestCancelledError:
    """The error of a request that a closed client cannot carry, or carried when it was closed."""
    return RequestCancelledError("this client is closed; make a new one")
