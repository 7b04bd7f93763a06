"""Drop passages that repeat another: the same title and text but for case, spacing and width of letters.

A repeated passage would fill two places of a result with one fact. Its id is kept as an alias of the passage
that stays, so that questions which name it can still be judged.
"""

import hashlib
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

from triton_rag_export.corpus.document import Passage


@dataclass(frozen=True, slots=True)
class UniquePassages:
    """Passages without repetitions.

    Attributes:
        passages: the first of each group of equal ones, in their order.
        kept_ids: id of each dropped passage to the id of the one that stands for it.
    """

    passages: tuple[Passage, ...]
    kept_ids: dict[str, str]


def without_duplicates(passages: Iterable[Passage]) -> UniquePassages:
    """Keep the first passage of each title and text, compared without case, spacing and letter width."""
    first: dict[bytes, Passage] = {}
    kept_ids: dict[str, str] = {}
    for passage in passages:
        kept = first.setdefault(_fingerprint(passage), passage)
        if kept is not passage:
            kept_ids[passage.id] = kept.id
    return UniquePassages(tuple(first.values()), kept_ids)


def _fingerprint(passage: Passage) -> bytes:
    text = "\n".join(_normalized(part) for part in (passage.title, passage.text))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def _normalized(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())
