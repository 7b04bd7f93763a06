"""What kind of error a text tells of that came without a code, or with one that says too little.

Triton answers an error in `/generate_stream` with HTTP 400 whatever its kind, and in a gRPC stream of an
older server with text alone. Options are checked before the first delta, so an error after it is not the
caller's; before it, the texts below are Triton's own, and the served models say "ask again" where that helps.

A model that is unloaded while its server drains is "not found" to Triton, as one that never was there; and
Triton's backends have no code for a deadline, only one for a cancelled request.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from triton_rag_client.errors import (
    DeadlineExceededError,
    InvalidRequestError,
    RagError,
    ServerError,
    UnavailableError,
)

__all__ = ["kind_of", "more_exact_kind"]

_Kinds = Sequence[tuple[re.Pattern[str], type[RagError]]]

_WHATEVER_THE_CODE: Final[_Kinds] = (
    (re.compile(r"no available versions"), UnavailableError),
    (re.compile(r"not answered within its timeout"), DeadlineExceededError),
)
_KINDS: Final[_Kinds] = (
    *_WHATEVER_THE_CODE,
    (
        re.compile(r"maximum queue size|queue full|unavailable|ask again", re.IGNORECASE),
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


def more_exact_kind(kind: type[RagError], text: str) -> type[RagError]:
    """The kind of error that came with a code, where the text says more than the code.

    Args:
        kind: What the code says.
        text: What the server said.
    """
    return next((exact for pattern, exact in _WHATEVER_THE_CODE if pattern.search(text)), kind)
