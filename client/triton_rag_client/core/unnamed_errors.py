"""What kind of error a text tells of that came without a code, or with one that says too little.

Triton answers an error in `/generate_stream` with HTTP 400 whatever its kind, and in a gRPC stream of an
older server with text alone. Options are checked before the first delta, so an error after it is not the
caller's; before it, the texts below are Triton's own and those of the generator (`generation/`): a test keeps
them in step.

A model that is unloaded while its server drains is "not found" to Triton, as one that never was there; and
Triton's backends have no code for a deadline, only one for a cancelled request.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from triton_rag_client.errors import (
    AccessDeniedError,
    DeadlineExceededError,
    InvalidRequestError,
    RagError,
    ServerError,
    UnavailableError,
)

__all__ = ["kind_of", "more_exact_kind"]

_Kinds = Sequence[tuple[re.Pattern[str], type[RagError]]]

_BEFORE: Final = re.compile(r"^(?:in ensemble '[^']*', |\[request id: [^\]]*\] )+")
"""What Triton writes before the words of a model, or its own."""

_WHATEVER_THE_CODE: Final[_Kinds] = (
    (re.compile(r".*no available versions"), UnavailableError),
    (re.compile(r"the request was not answered within its timeout"), DeadlineExceededError),
    (re.compile(r"This (?:API|protocol) is restricted"), AccessDeniedError),
)
# From the beginning on: what follows may quote anything.
_KINDS: Final[_Kinds] = (
    *_WHATEVER_THE_CODE,
    (
        re.compile(
            r"\d+ requests run or wait; allowed: |the generator (?:is shutting|was shut) down; |"
            r"Exceeds maximum queue size|Request timeout expired|Server is stopping|Server not ready"
        ),
        UnavailableError,
    ),
    (
        re.compile(
            r"generation failed in this step|the answer could not be delivered|the model's scores |"
            r"the model gave no scores|[A-Za-z]\w*(?:Error|Exception): |"
            r"Stub process|Failed to process the request|internal error",
            re.IGNORECASE,
        ),
        ServerError,
    ),
)


def kind_of(text: str, *, is_started: bool) -> type[RagError]:
    """The kind of error.

    Args:
        text: What the server said.
        is_started: Whether a delta came before it.
    """
    default = ServerError if is_started else InvalidRequestError
    return _found(_KINDS, text, default)


def more_exact_kind(kind: type[RagError], text: str) -> type[RagError]:
    """The kind of error that came with a code, where the text says more than the code.

    Args:
        kind: What the code says.
        text: What the server said.
    """
    return _found(_WHATEVER_THE_CODE, text, kind)


def _found(kinds: _Kinds, text: str, default: type[RagError]) -> type[RagError]:
    said = _BEFORE.sub("", text)
    return next((kind for pattern, kind in kinds if pattern.match(said)), default)
