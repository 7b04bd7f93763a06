"""Search by words: BM25 (Robertson and Zaragoza, "The Probabilistic Relevance Framework", 2009), by bm25s.

bm25s computes each word's share of each passage's score when the index is built (Lù, "BM25S", 2024): a query
only adds up a few columns of a sparse matrix.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from passage_search.errors import IndexFilesError
from passage_search.ranking import Ranking
from passage_search.words import words_of

K1, B = 0.9, 0.4
"""For passages, which are short and much alike in length (Trotman, Jia and Crane, 2012)."""

WORDS_FOLDER = "words"
_VOCABULARY_FILE = "vocabulary.json"


class WordIndex:
    """Words to the passages that hold them.

    Args:
        matrix: bm25s's index over word numbers.
        vocabulary: word to its number.
    """

    def __init__(self, matrix: Any, vocabulary: dict[str, int]) -> None:
        self._matrix = matrix
        self._vocabulary = vocabulary

    @classmethod
    def build(cls, texts: Sequence[Sequence[str]], k1: float = K1, b: float = B) -> "WordIndex":
        """Index the words of passages.

        Args:
            texts: the words of each passage, from `words_of`.
            k1: how soon repetitions of a word stop to count.
            b: how much long passages are held back, 0 to 1.
        """
        import bm25s

        vocabulary: dict[str, int] = {}
        numbers = [[vocabulary.setdefault(word, len(vocabulary)) for word in words] for words in texts]
        if not vocabulary:  # bm25s wants a word: this one is in no query
            vocabulary[""] = 0
            numbers[0] = [0]
        matrix = bm25s.BM25(k1=k1, b=b, method="lucene")
        matrix.index((numbers, vocabulary), create_empty_token=False, show_progress=False)
        return cls(matrix, vocabulary)

    @classmethod
    def load(cls, folder: Path) -> "WordIndex":
        """Load the index from its folder; the matrix is mapped, not read.

        Raises:
            IndexFilesError: a file is missing or cannot be used.
        """
        import bm25s

        path = folder / WORDS_FOLDER
        try:
            vocabulary = json.loads((path / _VOCABULARY_FILE).read_text(encoding="utf-8"))
            matrix = bm25s.BM25.load(str(path), mmap=True, load_vocab=False, show_progress=False)
        except (OSError, ValueError, KeyError) as error:
            raise IndexFilesError(f"{path} cannot be loaded ({error}): build the repository again") from error
        # Plain views of the mapped pages: slicing a memmap object costs more than adding up a column.
        matrix.scores = {name: np.asarray(value) for name, value in matrix.scores.items()}
        return cls(matrix, vocabulary)

    @property
    def passages(self) -> int:
        """How many are indexed."""
        return int(self._matrix.scores["num_docs"])

    def save(self, folder: Path) -> None:
        """Write the index below `folder`."""
        path = folder / WORDS_FOLDER
        self._matrix.save(str(path), show_progress=False)
        text = json.dumps(self._vocabulary, ensure_ascii=False, separators=(",", ":"))
        (path / _VOCABULARY_FILE).write_text(text, encoding="utf-8", errors="surrogatepass")

    def search(self, query: str, limit: int) -> Ranking:
        """The passages that share a word with a query.

        Args:
            query: any text; without a known word nothing is found.
            limit: at most so many.
        """
        known = [self._vocabulary[word] for word in words_of(query) if word in self._vocabulary]
        if not known:
            return Ranking(np.empty(0, np.int64), np.empty(0, np.float32))
        scores: npt.NDArray[np.float32] = self._matrix.get_scores_from_ids(known)
        rows = np.flatnonzero(scores > 0.0)
        return Ranking.best(rows, scores[rows], limit)
