"""Between tensors and queries: read rows, refuse wrong ones by themselves, lay out results."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from passage_search.errors import OptionError
from passage_search.search import FoundPassage, PassageSearch, SearchQuery

Strings = npt.NDArray[np.object_]


@dataclass(frozen=True, slots=True)
class RefusedRow:
    """A row that is not searched.

    Attributes:
        reason: names field, value and what is allowed.
    """

    reason: str


@dataclass(frozen=True, slots=True)
class RequestTensors:
    """The tensors of one request.

    Attributes:
        queries: `(rows,)` UTF-8.
        vectors: `(rows, dimension)`.
        errors: `(rows,)` why the tokenizer refused the row, empty where it did not.
        retrievers: `(rows,)` where given.
        passages_k: `(rows,)` where given.
    """

    queries: Strings
    vectors: npt.NDArray[np.float32]
    errors: Strings
    retrievers: Strings | None
    passages_k: npt.NDArray[np.int32] | None


@dataclass(frozen=True, slots=True)
class ResultTensors:
    """The passages of one request, best first.

    Rows are as wide as the one that found most; the others are filled up with empty texts and NaN scores. So
    a single row has no NaN, which JSON has no word for.

    Attributes:
        texts: `id`, `title`, `source` and `text`, each `(rows, width)` UTF-8.
        scores: `(rows, width)`.
        errors: `(rows, 1)` why a row was refused, empty where it was not.
    """

    texts: dict[str, Strings]
    scores: npt.NDArray[np.float32]
    errors: Strings


def read_rows(tensors: RequestTensors, search: PassageSearch) -> list[SearchQuery | RefusedRow]:
    """Each row as a query that `search` accepts, or as refused."""
    return [_read_row(tensors, row, search) for row in range(len(tensors.queries))]


def _read_row(tensors: RequestTensors, row: int, search: PassageSearch) -> SearchQuery | RefusedRow:
    if error := bytes(tensors.errors[row]):
        return RefusedRow(error.decode("utf-8", "replace"))
    try:
        query = SearchQuery(
            text=_decoded("QUERY", tensors.queries[row]),
            vector=tensors.vectors[row],
            retriever=None if tensors.retrievers is None else _decoded("RETRIEVER", tensors.retrievers[row]),
            passages_k=None if tensors.passages_k is None else int(tensors.passages_k[row]),
        )
        search.check(query)
    except OptionError as error:
        return RefusedRow(str(error))
    return query


def _decoded(field: str, value: bytes) -> str:
    try:
        return bytes(value).decode("utf-8")
    except UnicodeDecodeError as error:
        raise OptionError(
            f"{field} {value[:40]!r} is not UTF-8 at byte {error.start}: give text in UTF-8"
        ) from error


def lay_out(
    rows: Sequence[SearchQuery | RefusedRow], found: Iterator[tuple[FoundPassage, ...]]
) -> ResultTensors:
    """The tensors of a request's results.

    Args:
        rows: of the request.
        found: the passages of its searched rows; exactly these are taken from it.
    """
    passages = [() if isinstance(row, RefusedRow) else next(found) for row in rows]
    width = max(map(len, passages), default=0)
    texts = {name: _empty_strings(len(rows), width) for name in ("id", "title", "source", "text")}
    scores = np.full((len(rows), width), np.nan, dtype=np.float32)
    errors = _empty_strings(len(rows), 1)
    for number, row in enumerate(rows):
        if isinstance(row, RefusedRow):
            errors[number, 0] = row.reason.encode()
        for place, passage in enumerate(passages[number]):
            scores[number, place] = passage.score
            for name, tensor in texts.items():
                tensor[number, place] = getattr(passage, name).encode()
    return ResultTensors(texts, scores, errors)


def refusal(rows: Sequence[Any]) -> str | None:
    """Why the whole request is refused: the reason of its first row, where no row is left to search."""
    reasons = [row.reason for row in rows if isinstance(row, RefusedRow)]
    return reasons[0] if reasons and len(reasons) == len(rows) else None


def _empty_strings(rows: int, width: int) -> Strings:
    return np.full((rows, width), b"", dtype=np.object_)
