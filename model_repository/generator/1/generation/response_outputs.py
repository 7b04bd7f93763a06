"""One piece of an answer as output tensors of `generator`, one row each."""

from typing import Any

import numpy as np
import numpy.typing as npt

from generation.delta import Delta


def response_outputs(delta: Delta, error: str = "", status: str = "") -> dict[str, npt.NDArray[Any]]:
    """The tensors of one response, by name; the passages and the key, which are the request's, are not here.

    Args:
        delta: what is new.
        error: why there will be no more, or nothing.
        status: Triton's name for the kind of error, or nothing.
    """
    return {
        "ANSWER_DELTA": _text(delta.text),
        "FINISH_REASON": _text(delta.finish_reason),
        "PROMPT_TOKENS": np.array([[delta.prompt_tokens]], np.int32),
        "ANSWER_TOKENS": np.array([[delta.answer_tokens]], np.int32),
        "TOKEN_IDS": np.array([[each.token_id for each in delta.logprobs]], np.int32),  # (1, tokens)
        "TOKEN_LOGPROBS": np.array([[each.logprob for each in delta.logprobs]], np.float32),  # (1, tokens)
        "ERROR": _text(error),
        "ERROR_STATUS": _text(status),
    }


def _text(text: str) -> npt.NDArray[np.object_]:
    return np.array([[text.encode()]], np.object_)
