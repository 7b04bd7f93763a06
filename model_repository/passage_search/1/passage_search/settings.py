"""What `index.json` says: defaults of a query, how the lists are fused, which encoder made the vectors."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from passage_search.errors import IndexFilesError

SETTINGS_FILE = "index.json"
SERVING_FILE = "serving.json"
RETRIEVERS = ("dense", "bm25", "hybrid")
MAX_PASSAGES_K = 20

FingerprintValue = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class IndexSettings:
    """What an index is made of and how it is searched.

    Attributes:
        passages: how many there are.
        dimension: components of a vector.
        dense: exact, or hnsw (approximate) for large indexes.
        retriever: used when a query names none.
        passages_k: how many passages a query gets when it does not say.
        candidates: depth of the dense and the bm25 list before fusion.
        rrf_k: the constant of reciprocal rank fusion.
        dense_weight: share of the dense list in the fused score, 0 to 1; the rest is bm25's.
        encoder: fingerprint of the encoder that queries go through: the index was built for it.
        passage_encoder: fingerprint of the encoder that made the vectors, where it is another one, into whose
            space the queries' encoder was trained.
    """

    passages: int
    dimension: int
    dense: Literal["exact", "hnsw"]
    retriever: str
    passages_k: int
    candidates: int
    rrf_k: int
    dense_weight: float
    encoder: Mapping[str, FingerprintValue]
    passage_encoder: Mapping[str, FingerprintValue] | None = None

    @classmethod
    def read(cls, folder: Path) -> "IndexSettings":
        """Read `index.json`.

        Raises:
            IndexFilesError: it is missing, or has other keys than ours.
        """
        path = folder / SETTINGS_FILE
        try:
            return cls(**json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError) as error:
            raise IndexFilesError(f"{path} cannot be used ({error}): build the repository again") from error

    def write(self, folder: Path) -> None:
        """Write `index.json`."""
        text = json.dumps(asdict(self), indent=2, ensure_ascii=False)
        (folder / SETTINGS_FILE).write_text(text + "\n", encoding="utf-8")


def serving_threads(folder: Path) -> int:
    """The threads that `serving.json` allows; 0, all cores, where there is no such file.

    Raises:
        IndexFilesError: the file cannot be read, or says something else than a whole number of threads.
    """
    path = folder / SERVING_FILE
    if not path.exists():
        return 0
    try:
        threads = json.loads(path.read_text(encoding="utf-8"))["threads"]
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise IndexFilesError(f"{path} cannot be used ({error!r}): build the repository again") from error
    if type(threads) is not int or threads < 0:
        raise IndexFilesError(f"{path}: threads is {threads!r}; allowed: a whole number from 0 (all cores)")
    return threads
