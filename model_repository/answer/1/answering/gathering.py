"""Deltas of one request, in the order they were sent, joined to one answer."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from answering.errors import IncompleteStreamError

NO_TOKEN = -1


@dataclass(frozen=True, slots=True)
class Delta:
    """One response of the generator.

    Attributes:
        text: UTF-8 text since the last response; may be empty.
        finish_reason: "" until the last response, then `stop` or `length`.
        prompt_tokens: tokens of the prompt.
        answer_tokens: tokens generated so far.
        token_ids: the tokens since the last response, if LOGPROBS asked for them.
        logprobs: the log-probability of each of these.
    """

    text: bytes
    finish_reason: str
    prompt_tokens: int
    answer_tokens: int
    token_ids: tuple[int, ...] = ()
    logprobs: tuple[float, ...] = ()

    @classmethod
    def of_outputs(cls, outputs: Mapping[str, npt.NDArray[Any]]) -> Self:
        """Read the outputs of a response, by name."""
        return cls(
            text=outputs["ANSWER_DELTA"].item(),
            finish_reason=outputs["FINISH_REASON"].item().decode(),
            prompt_tokens=outputs["PROMPT_TOKENS"].item(),
            answer_tokens=outputs["ANSWER_TOKENS"].item(),
            token_ids=tuple(outputs["TOKEN_IDS"].reshape(-1).tolist()),
            logprobs=tuple(outputs["TOKEN_LOGPROBS"].reshape(-1).tolist()),
        )


@dataclass(frozen=True, slots=True)
class GatheredAnswer:
    """A whole answer: the last `Delta`, but with the text and the tokens of all of them."""

    text: bytes
    finish_reason: str
    prompt_tokens: int
    answer_tokens: int
    token_ids: tuple[int, ...] = ()
    logprobs: tuple[float, ...] = ()

    def outputs(self) -> dict[str, npt.NDArray[Any]]:
        """The output tensors of `answer`, by name, one row each.

        Where there are no tokens, a single -1 stands in their place: Triton's response cache keeps no reply
        that has an empty tensor.
        """
        return {
            "ANSWER": np.array([[self.text]], np.object_),
            "FINISH_REASON": np.array([[self.finish_reason.encode()]], np.object_),
            "PROMPT_TOKENS": np.array([[self.prompt_tokens]], np.int32),
            "ANSWER_TOKENS": np.array([[self.answer_tokens]], np.int32),
            "TOKEN_IDS": np.array([self.token_ids or (NO_TOKEN,)], np.int32),  # (1, tokens)
            "TOKEN_LOGPROBS": np.array([self.logprobs or (0.0,)], np.float32),  # (1, tokens)
        }


def gather(deltas: Iterable[Delta]) -> GatheredAnswer:
    """Join deltas to one answer.

    Raises:
        IncompleteStreamError: the stream ended before the generator said why it finished.
    """
    gathered: list[Delta] = []
    for delta in deltas:
        gathered.append(delta)
        if delta.finish_reason:
            return GatheredAnswer(
                b"".join(each.text for each in gathered),
                delta.finish_reason,
                delta.prompt_tokens,
                delta.answer_tokens,
                tuple(token_id for each in gathered for token_id in each.token_ids),
                tuple(logprob for each in gathered for logprob in each.logprobs),
            )
    raise IncompleteStreamError(
        f"the generator ended its stream after {len(gathered)} responses without a finish reason: "
        "its process may have died; ask again"
    )
