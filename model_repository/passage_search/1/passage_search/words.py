"""Text to the words that BM25 counts, in any script.

Scripts with spaces give words without case. An identifier such as `os.path.join` or `HTTPServer` gives itself
and its parts, so that both `os.path.join` and "join a path" find it. Scripts without spaces (Chinese,
Japanese, Thai, ...) give characters and pairs of neighbours: that needs no dictionary and serves search about
as well as word segmentation (Kwok, "Comparing Representations in Chinese Information Retrieval", SIGIR 1997).

The index and the query use this one function, so that they agree.
"""

import functools
import re
import sys
import unicodedata
from collections.abc import Iterator

_LONGEST_WORD = 64
"""Characters of a word that are kept: what is longer is data, not language."""

_UNSPACED = (
    "\u0e00-\u0eff"  # Thai, Lao
    "\u0f00-\u0fff"  # Tibetan
    "\u1000-\u109f"  # Myanmar
    "\u1780-\u17ff"  # Khmer
    "\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff"  # Hiragana, Katakana
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"  # Han
    "\u1100-\u11ff\u3130-\u318f\uac00-\ud7af"  # Hangul: spaces divide phrases, not words
)

_CASE_BORDER = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


_ASCII = re.compile(r"(?P<identifier>_*[A-Za-z0-9]+(?:[._]+[A-Za-z0-9]+)*_*)")


def words_of(text: str) -> list[str]:
    """The words of a text, in its order, repeated as often as they occur.

    Args:
        text: any Unicode.
    """
    normalized = unicodedata.normalize("NFKC", text)
    pattern = _ASCII if normalized.isascii() else _any_script()
    words: list[str] = []
    for match in pattern.finditer(normalized):
        words += _parts(match[0]) if match.lastgroup == "identifier" else _grams(match[0])
    return words


def _grams(run: str) -> Iterator[str]:
    """Characters, then pairs of neighbours."""
    yield from run
    yield from (run[place : place + 2] for place in range(len(run) - 1))


@functools.lru_cache(maxsize=1 << 16)
def _parts(identifier: str) -> tuple[str, ...]:
    """An identifier without case, its parts between dots and underscores, and their parts by case."""
    found = [_word(identifier)]
    for piece in re.split(r"[._]+", identifier):
        if piece and piece != identifier:
            found.append(_word(piece))
        parts = _CASE_BORDER.split(piece)
        if len(parts) > 1:
            found += map(_word, parts)
    return tuple(found)


def _word(piece: str) -> str:
    return piece.casefold()[:_LONGEST_WORD]


@functools.cache
def _any_script() -> re.Pattern[str]:
    """Runs of a script without spaces, or identifiers: letters, digits and marks, dots and underscores."""
    unspaced = rf"(?:(?=[{_UNSPACED}])[\w{_marks()}])+"
    letters = rf"(?:[^\W_{_UNSPACED}]|[{_marks()}])+"
    return re.compile(rf"(?P<unspaced>{unspaced})|(?P<identifier>_*{letters}(?:[._]+{letters})*_*)")


@functools.cache
def _marks() -> str:
    """Combining marks, as ranges of a character class: `\\w` leaves the vowels of Indian scripts out."""
    ranges: list[list[int]] = []
    for code in range(sys.maxunicode + 1):
        if unicodedata.category(chr(code))[0] == "M":
            if ranges and ranges[-1][1] == code - 1:
                ranges[-1][1] = code
            else:
                ranges.append([code, code])
    return "".join(f"\\U{low:08x}-\\U{high:08x}" for low, high in ranges)
