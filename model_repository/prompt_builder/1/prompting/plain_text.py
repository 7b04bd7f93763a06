"""Tokenizes text that users or documents wrote, so that it can never forge the markup of a chat."""

import json

from tokenizers import Tokenizer


class PlainTextTokenizer:
    """Gives the ids of a text in which special tokens are plain characters.

    Args:
        tokenizer: the generator's tokenizer; this takes it over and changes its settings.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        tokenizer.no_truncation()
        tokenizer.no_padding()
        tokenizer.encode_special_tokens = True
        added = tokenizer.get_added_tokens_decoder()
        special = {token_id for token_id, token in added.items() if token.special}
        self._tokenizer = tokenizer
        self._forbidden = special - {_unknown_id(tokenizer)}

    def encode(self, text: str) -> list[int]:
        """The token ids of a text, none of them special.

        Some vocabularies (T5's) hold `</s>` as a piece of text too; such pieces are left out.
        """
        token_ids: list[int] = self._tokenizer.encode(text, add_special_tokens=False).ids
        if self._forbidden.isdisjoint(token_ids):
            return token_ids
        return [token_id for token_id in token_ids if token_id not in self._forbidden]


def _unknown_id(tokenizer: Tokenizer) -> int | None:
    """The token for characters outside the vocabulary: special, but what plain text may become."""
    model = json.loads(tokenizer.to_str())["model"]
    if isinstance(model.get("unk_id"), int):
        return int(model["unk_id"])
    return tokenizer.token_to_id(model["unk_token"]) if model.get("unk_token") else None
