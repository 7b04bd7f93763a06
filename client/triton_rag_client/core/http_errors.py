"""HTTP's statuses, and what stands in the bodies that come with them, as our errors."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from triton_rag_client.core.unnamed_errors import more_exact_kind
from triton_rag_client.core.wire import failure
from triton_rag_client.errors import (
    AccessDeniedError,
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

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["STATUS_ERRORS", "http_failure", "quoted"]

STATUS_ERRORS: Final[Mapping[int, type[RagError]]] = {
    401: AccessDeniedError,
    403: AccessDeniedError,
    404: ModelNotFoundError,
    407: AccessDeniedError,
    408: DeadlineExceededError,
    413: LimitExceededError,
    429: LimitExceededError,
    499: RequestCancelledError,
    501: ProtocolError,
    503: UnavailableError,
    504: DeadlineExceededError,
}
"""Single statuses; others of 4xx are `InvalidRequestError`, of 5xx `ServerError`, else `ProtocolError`."""


def http_failure(status: int, content: bytes) -> RagError:
    """The error for a status and the body that came with it."""
    groups: dict[int, type[RagError]] = {4: InvalidRequestError, 5: ServerError}
    kind = STATUS_ERRORS.get(status, groups.get(status // 100, ProtocolError))
    try:
        said = json.loads(content)["error"]
    except (ValueError, TypeError, KeyError):
        # Not Triton's words: a proxy's page, or nothing.
        return failure(kind, f"HTTP status {status} with {quoted(content)}")
    return failure(more_exact_kind(kind, str(said)), str(said))


def quoted(content: bytes) -> str:
    """The beginning of a body, for a message."""
    return repr(content[:80].decode(errors="replace")) if content else "no text"
