"""Which headers a client can send: one answer for HTTP's headers and gRPC's metadata.

Names are tokens (RFC 9110, section 5.6.2), values printable ASCII without spaces around it. gRPC keeps names
that end in `-bin` for bytes in another encoding, and those that begin with `grpc-` for itself.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, Literal

from triton_rag_client.errors import ClientSetupError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["checked_headers"]

_TOKEN: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_GRPC_KEY: Final = re.compile(r"[A-Za-z0-9_.-]+")


def checked_headers(headers: Mapping[str, str], wire: Literal["grpc", "http"]) -> tuple[tuple[str, str], ...]:
    """The headers with their names in lower case.

    Args:
        headers: As the caller gave them.
        wire: What will carry them.

    Raises:
        ClientSetupError: One cannot be sent; the message names it.
    """
    for name, value in headers.items():
        reason = _name_fault(name, wire) or _value_fault(value)
        if reason:
            raise ClientSetupError(f"header {name!r} with the value {value!r} cannot be sent: {reason}")
    return tuple((name.lower(), value) for name, value in headers.items())


def _name_fault(name: object, wire: Literal["grpc", "http"]) -> str | None:
    if not isinstance(name, str) or not _TOKEN.fullmatch(name):
        return "a name is made of ASCII letters, digits and - _ . alone"
    if wire == "http":
        return None
    if not _GRPC_KEY.fullmatch(name):
        return "gRPC takes names of ASCII letters, digits and - _ . alone"
    if name.lower().endswith("-bin"):
        return "gRPC takes bytes in names that end in -bin; use another name"
    if name.lower().startswith("grpc-"):
        return "gRPC keeps names that begin with grpc- for itself; use another name"
    return None


def _value_fault(value: object) -> str | None:
    if not isinstance(value, str) or not value.isascii() or not (value.isprintable()):
        return "a value is printable ASCII text"
    return "a value has no spaces at its ends" if value != value.strip() else None
