"""The tokens that end an answer."""

from typing import Any


def end_token_ids_of(model: Any, tokenizer: Any) -> frozenset[int]:
    """All tokens that the model, its generation settings or its tokenizer end a text with."""
    found: set[int] = set()
    for end in (
        model.config.eos_token_id,
        model.generation_config.eos_token_id,
        tokenizer.eos_token_id,
    ):
        if end is not None:
            found.update([end] if isinstance(end, int) else end)
    return frozenset(found)
