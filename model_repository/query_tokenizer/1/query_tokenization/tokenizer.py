"""The encoder's tokenizer, by the `tokenizers` library alone.

Queries come as bytes from anywhere and are checked one by one; texts of the corpus are ours and only cut.
Rows are padded to a bucket because Triton's dynamic batcher joins requests of equal shape only.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from query_tokenization.errors import TokenizerFilesError
from query_tokenization.settings import TOKENIZER_FILE, TokenizerSettings

TokenIds = npt.NDArray[np.int32]

_SHOWN_CHARACTERS = 40


@dataclass(frozen=True, slots=True)
class TokenizedQueries:
    """One row a query.

    Attributes:
        input_ids: `(rows, bucket)`, padded behind each row's length.
        lengths: `(rows,)` real tokens; 0 where the query was refused.
        errors: why each row was refused; "" where it was not.
    """

    input_ids: TokenIds
    lengths: TokenIds
    errors: tuple[str, ...]


class QueryTokenizer:
    """Tokenizes queries, and texts of the corpus the same way.

    Args:
        tokenizer: with its truncation set and its padding off.
        settings: limits and buckets.
    """

    def __init__(self, tokenizer: Tokenizer, settings: TokenizerSettings) -> None:
        self.settings = settings
        self._tokenizer = tokenizer
        (self._nothing,) = self.encode_texts([settings.query_prefix])  # the tokens of a query without any

    @classmethod
    def load(cls, folder: Path) -> "QueryTokenizer":
        """Load `tokenizer.json` and `query_tokenizer.json`.

        Raises:
            TokenizerFilesError: a file is missing or cannot be used.
        """
        settings = TokenizerSettings.read(folder)
        path = folder / TOKENIZER_FILE
        try:
            tokenizer = Tokenizer.from_file(str(path))
        except Exception as error:  # tokenizers raises bare Exception
            raise TokenizerFilesError(
                f"{path} cannot be loaded ({error}): build the repository again"
            ) from error
        tokenizer.enable_truncation(settings.max_tokens)
        tokenizer.no_padding()
        return cls(tokenizer, settings)

    def encode(self, queries: Sequence[bytes]) -> TokenizedQueries:
        """Tokenize queries; a refused one leaves its neighbours unhurt.

        Args:
            queries: UTF-8, at least one character that is not white space, at most `max_query_characters`.
        """
        checked = [self._check(query) for query in queries]
        prefix = self.settings.query_prefix
        rows = self.encode_texts([prefix + text if not error else "" for text, error in checked])
        errors = [error or self._check_tokens(row) for (_, error), row in zip(checked, rows, strict=True)]
        lengths = [0 if error else len(row) for row, error in zip(rows, errors, strict=True)]
        shape = (len(rows), self.settings.bucket(max(lengths, default=0)))
        input_ids = np.full(shape, self.settings.pad_id, dtype=np.int32)
        for target, row, length in zip(input_ids, rows, lengths, strict=True):
            target[:length] = row[:length]
        return TokenizedQueries(input_ids, np.array(lengths, dtype=np.int32), tuple(errors))

    def encode_texts(self, texts: Sequence[str]) -> list[TokenIds]:
        """Token ids of any texts, special tokens included, cut at `max_tokens`; no prefix is added."""
        encodings = self._tokenizer.encode_batch_fast(list(texts))
        return [np.array(encoding.ids, dtype=np.int32) for encoding in encodings]

    def count_cut(self, texts: Sequence[str]) -> int:
        """How many of some texts are longer than `max_tokens`, and lose their end in `encode_texts`."""
        return sum(bool(encoding.overflowing) for encoding in self._tokenizer.encode_batch(list(texts)))

    def _check(self, query: bytes) -> tuple[str, str]:
        """The query's text, and why it is refused or ""."""
        limit = self.settings.max_query_characters
        try:
            text = query.decode("utf-8")
        except UnicodeDecodeError as error:
            reason = f"is not UTF-8 (byte {error.start} is 0x{query[error.start]:02x})"
            return "", f"QUERY {_shown(query.decode('utf-8', 'replace'))} {reason}: give text in UTF-8"
        if not text.strip():
            return "", f"QUERY {_shown(text)} is empty: give 1 to {limit} characters"
        if len(text) > limit:
            return "", f"QUERY {_shown(text)} has {len(text)} characters: give 1 to {limit}"
        return text, ""

    def _check_tokens(self, row: TokenIds) -> str:
        if not np.array_equal(row, self._nothing):
            return ""
        limit = self.settings.max_query_characters
        return f"QUERY holds control characters only: give 1 to {limit} characters of text"


def _shown(text: str) -> str:
    return repr(text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "…")
