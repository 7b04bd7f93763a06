"""The passages' texts on disk: one file of UTF-8 and one of offsets, both mapped into memory, not read.

Loading takes no time at any size, several instances share the pages, and only passages that are found are
decoded.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt

from passage_search.errors import IndexFilesError

TEXTS_FILE = "passages.utf8"
OFFSETS_FILE = "passages.npy"
_FIELDS = 4


@dataclass(frozen=True, slots=True)
class StoredPassage:
    """One passage as the index keeps it.

    Attributes:
        id: unique in the index.
        title: of its document; may be empty.
        source: where its document is from.
        text: the passage.
        start: first character in its document's text.
        end: character after the last.
    """

    id: str
    title: str
    source: str
    text: str
    start: int
    end: int


class PassageStore:
    """Passages by their number in the index.

    Args:
        texts: all fields' UTF-8, one after the other.
        offsets: `(passages, 4 + 3)`: where id, title, source and text begin in `texts`, where text ends, and
            the passage's start and end in its document.
    """

    def __init__(self, texts: npt.NDArray[np.uint8], offsets: npt.NDArray[np.int64]) -> None:
        self._texts = texts
        self._offsets = offsets

    @staticmethod
    def write(passages: Sequence[StoredPassage], folder: Path) -> None:
        """Write passages below `folder`."""
        offsets = np.zeros((len(passages), _FIELDS + 3), dtype=np.int64)
        place = 0
        with (folder / TEXTS_FILE).open("wb") as file:
            for row, passage in zip(offsets, passages, strict=True):
                for number, field in enumerate((passage.id, passage.title, passage.source, passage.text)):
                    row[number] = place
                    place += file.write(field.encode("utf-8"))
                row[_FIELDS:] = place, passage.start, passage.end
        np.save(folder / OFFSETS_FILE, offsets)

    @classmethod
    def load(cls, folder: Path) -> "PassageStore":
        """Map the files below `folder`.

        Raises:
            IndexFilesError: a file is missing, or they do not belong together.
        """
        try:
            offsets = np.asarray(np.load(folder / OFFSETS_FILE, mmap_mode="r"))
            texts = np.asarray(np.memmap(folder / TEXTS_FILE, dtype=np.uint8, mode="r"))
        except (OSError, ValueError) as error:
            raise IndexFilesError(
                f"passages in {folder} cannot be loaded ({error}): build the repository again"
            ) from error
        if offsets.ndim != 2 or offsets.shape[1] != _FIELDS + 3 or offsets[-1, _FIELDS] != len(texts):
            raise IndexFilesError(
                f"{TEXTS_FILE} and {OFFSETS_FILE} in {folder} do not match: build the repository again"
            )
        return cls(texts, offsets)

    def __len__(self) -> int:
        return len(self._offsets)

    def __getitem__(self, row: int) -> StoredPassage:
        """The passage with this number."""
        *borders, start, end = self._offsets[row].tolist()
        passage_id, title, source, text = (self._text(low, high) for low, high in pairwise(borders))
        return StoredPassage(passage_id, title, source, text, start, end)

    def id(self, row: int) -> str:
        """The id of the passage with this number, without reading its text."""
        low, high = self._offsets[row, :2].tolist()
        return self._text(low, high)

    def _text(self, low: int, high: int) -> str:
        return self._texts[low:high].tobytes().decode("utf-8")
