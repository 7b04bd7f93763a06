"""What `query_tokenizer.json` says: buckets, limits, the prefix of a query."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from query_tokenization.errors import TokenizerFilesError

SETTINGS_FILE = "query_tokenizer.json"
TOKENIZER_FILE = "tokenizer.json"
BUCKETS = (8, 16, 32, 64, 128, 256, 512)


@dataclass(frozen=True, slots=True)
class TokenizerSettings:
    """Limits and layout of tokenized queries.

    Attributes:
        buckets: widths in tokens that rows are padded to, ascending; the last one is `max_tokens`.
        max_tokens: longer queries are cut, as sentence-transformers cuts them; special tokens included.
        max_query_characters: longer queries are refused.
        query_prefix: put before every query.
        pad_id: the token that fills a row up.
    """

    buckets: tuple[int, ...]
    max_tokens: int
    max_query_characters: int
    query_prefix: str
    pad_id: int

    @classmethod
    def read(cls, folder: Path) -> "TokenizerSettings":
        """Read `query_tokenizer.json`.

        Raises:
            TokenizerFilesError: it is missing, or has other keys than ours.
        """
        path = folder / SETTINGS_FILE
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
            return cls(**{**values, "buckets": tuple(values["buckets"])})
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise TokenizerFilesError(
                f"{path} cannot be used ({error}): build the repository again"
            ) from error

    def write(self, folder: Path) -> None:
        """Write `query_tokenizer.json`."""
        text = json.dumps(asdict(self), indent=2, ensure_ascii=False)
        (folder / SETTINGS_FILE).write_text(text + "\n", encoding="utf-8")

    def bucket(self, tokens: int) -> int:
        """The smallest bucket that holds so many tokens."""
        return next(bucket for bucket in self.buckets if tokens <= bucket)


def buckets_up_to(max_tokens: int) -> tuple[int, ...]:
    """The usual buckets below `max_tokens`, and `max_tokens` itself."""
    return (*(bucket for bucket in BUCKETS if bucket < max_tokens), max_tokens)
