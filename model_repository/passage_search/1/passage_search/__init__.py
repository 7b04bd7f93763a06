"""Find the passages that answer a query: by vectors, by words, or by both fused."""

from passage_search.bm25 import WordIndex
from passage_search.dense import VectorIndex
from passage_search.errors import (
    FingerprintMismatchError,
    IndexFilesError,
    OptionError,
    PassageSearchError,
)
from passage_search.fingerprint import check_encoder, serving_encoder
from passage_search.fusion import fuse_rankings
from passage_search.passages import PassageStore, StoredPassage
from passage_search.ranking import Ranking
from passage_search.rows import (
    RefusedRow,
    RequestTensors,
    ResultTensors,
    lay_out,
    read_rows,
    refusal,
)
from passage_search.search import FoundPassage, PassageSearch, SearchQuery
from passage_search.settings import MAX_PASSAGES_K, RETRIEVERS, IndexSettings, serving_threads
from passage_search.words import words_of

__all__ = [
    "MAX_PASSAGES_K",
    "RETRIEVERS",
    "FingerprintMismatchError",
    "FoundPassage",
    "IndexFilesError",
    "IndexSettings",
    "OptionError",
    "PassageSearch",
    "PassageSearchError",
    "PassageStore",
    "Ranking",
    "RefusedRow",
    "RequestTensors",
    "ResultTensors",
    "SearchQuery",
    "StoredPassage",
    "VectorIndex",
    "WordIndex",
    "check_encoder",
    "fuse_rankings",
    "lay_out",
    "read_rows",
    "refusal",
    "serving_encoder",
    "serving_threads",
    "words_of",
]
