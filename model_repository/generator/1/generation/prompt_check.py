"""Refuses at once a prompt that the engine could never continue, with the numbers that say why."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from generation.errors import PromptError


def checked_prompt(prompt_ids: npt.NDArray[np.int32] | Sequence[int], vocabulary_size: int) -> list[int]:
    """The prompt as a list of token ids.

    Args:
        prompt_ids: the prompt, shape (tokens,) or (1, tokens).
        vocabulary_size: token ids are less than this.

    Raises:
        PromptError: the prompt is empty or has unknown tokens.
    """
    prompt = [int(token_id) for token_id in np.asarray(prompt_ids).reshape(-1)]
    if not prompt:
        raise PromptError("PROMPT_IDS is empty; allowed: at least one token id")
    unknown = [token_id for token_id in prompt if not 0 <= token_id < vocabulary_size]
    if unknown:
        raise PromptError(
            f"PROMPT_IDS holds {unknown[0]}; allowed: token ids from 0 to {vocabulary_size - 1}"
        )
    return prompt


def check_together(prompt_tokens: int, max_tokens: int, capacity: int) -> None:
    """Refuse a prompt that leaves no room for its answer, where both share a cache.

    Args:
        prompt_tokens: tokens of the prompt.
        max_tokens: tokens that the answer may have.
        capacity: tokens that prompt and answer may have together.

    Raises:
        PromptError: they do not fit.
    """
    if prompt_tokens + max_tokens > capacity:
        raise PromptError(
            f"PROMPT_IDS has {prompt_tokens} tokens and MAX_TOKENS is {max_tokens}, "
            f"together {prompt_tokens + max_tokens}; allowed: {capacity} together; "
            "shorten the prompt or lower MAX_TOKENS"
        )
