"""Turns token ids into text one by one, so that the pieces joined are exactly what decoding all ids gives.

Decoding each id by itself is wrong: a character may be spread over several tokens, and many decoders treat
the first token in a special way (SentencePiece strips its space). So a short window is decoded instead: the
tokens of the last piece given, for context, and those since; what is new is the text beyond the context.

Text is held back while a later token could still change it: while it ends in U+FFFD, the mark of bytes that
do not form a character yet, and during a run of byte tokens such as `<0xE2>`, which decoders replace as a
whole if it does not form characters. `flush` gives the rest as it is.
"""

import re

from tokenizers import Tokenizer

REPLACEMENT_CHARACTER = "\ufffd"

_BYTE_TOKEN = re.compile(r"<0x[0-9A-Fa-f]{2}>")


class Detokenizer:
    """The text of one answer; special tokens give none.

    Args:
        tokenizer: the generator's tokenizer, shared and only read.
        special_token_ids: the ids that `tokenizer.decode` skips.
    """

    def __init__(self, tokenizer: Tokenizer, special_token_ids: frozenset[int]) -> None:
        self._tokenizer = tokenizer
        self._special_token_ids = special_token_ids
        self._context: list[int] = []
        self._pending: list[int] = []

    def push(self, token_id: int) -> str:
        """Add a token and give the text that became certain, often the empty string."""
        token = None if token_id in self._special_token_ids else self._tokenizer.id_to_token(token_id)
        if token is None:
            return ""
        self._pending.append(token_id)
        if _BYTE_TOKEN.fullmatch(token):
            return ""
        text = self._new_text()
        if not text or text.endswith(REPLACEMENT_CHARACTER):
            return ""
        self._context, self._pending = self._pending, []
        return text

    def flush(self) -> str:
        """The text held back, once it is known that no token follows."""
        text = self._new_text()
        self._context, self._pending = [], []
        return text

    def _new_text(self) -> str:
        before: str = self._tokenizer.decode(self._context)
        text: str = self._tokenizer.decode(self._context + self._pending)
        return text[len(before) :]


def special_token_ids(tokenizer: Tokenizer) -> frozenset[int]:
    """The ids of a tokenizer that decoding skips."""
    added = tokenizer.get_added_tokens_decoder()
    return frozenset(token_id for token_id, token in added.items() if token.special)
