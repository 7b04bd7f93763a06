"""Deltas of one request, in the order they were sent, joined to one answer."""

from collections.abc import Iterable
from dataclasses import dataclass

from answering.errors import IncompleteStreamError


@dataclass(frozen=True, slots=True)
class Delta:
    """One response of the generator.

    Attributes:
        text: UTF-8 text since the last response; may be empty.
        finish_reason: "" until the last response, then `stop` or `length`.
        prompt_tokens: tokens of the prompt.
        answer_tokens: tokens generated so far.
    """

    text: bytes
    finish_reason: str
    prompt_tokens: int
    answer_tokens: int


@dataclass(frozen=True, slots=True)
class GatheredAnswer:
    """A whole answer; the fields are those of its last `Delta`, the text that of all of them."""

    text: bytes
    finish_reason: str
    prompt_tokens: int
    answer_tokens: int


def gather(deltas: Iterable[Delta]) -> GatheredAnswer:
    """Join deltas to one answer.

    Raises:
        IncompleteStreamError: the stream ended before the generator said why it finished.
    """
    texts: list[bytes] = []
    for delta in deltas:
        texts.append(delta.text)
        if delta.finish_reason:
            return GatheredAnswer(
                b"".join(texts), delta.finish_reason, delta.prompt_tokens, delta.answer_tokens
            )
    raise IncompleteStreamError(
        f"the generator ended its stream after {len(texts)} responses without a finish reason: "
        "its process may have died; ask again"
    )
