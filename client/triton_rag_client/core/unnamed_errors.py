"""What kind of error a text tells of that came without a code.

Triton answers an error in `/generate_stream` with HTTP 400 whatever its kind, and in a gRPC stream of an
older server with text alone. Options are checked before the first delta, so an error after it is not the
caller's; before it, the texts below are Triton's own, and the served models say "ask again" where that helps.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from triton_rag_client.errors import InvalidRequestError, RagError, ServerError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["kind_of"]

_KINDS: Final[Sequence[tuple[re.Pattern[str], type[RagError]]]] = (
    (
        re.compile(
            r"maximum queue size|queue full|no available versions|unavailable|ask again", re.IGNORECASE
        ),
        UnavailableError,
    ),
    (
        re.compile(r"stub process|failed to process the request|internal error", re.IGNORECASE),
        ServerError,
    ),
)


def kind_of(text: str, *, is_started: bool) -> type[RagError]:
    """The kind of error.

    Args:
        text: What the server said.
        is_started: Whether a delta came before it.
    """
    for pattern, kind in _KINDS:
        if pattern.search(text):
            return kind
    return ServerError if is_started else InvalidRequestError
