"""Between tensors and queries: a wrong row is refused by itself, results are laid out in a rectangle."""

import numpy as np
from passage_search import PassageSearch, RefusedRow, RequestTensors, SearchQuery, lay_out, read_rows, refusal

VECTOR = np.eye(8, dtype=np.float32)[0]


def strings(*values: bytes) -> np.ndarray:
    return np.array(values, dtype=np.object_)


def request(
    *queries: bytes,
    errors: tuple[bytes, ...] = (),
    retrievers: tuple[bytes, ...] = (),
    ks: tuple[int, ...] = (),
) -> RequestTensors:
    return RequestTensors(
        queries=strings(*queries),
        vectors=np.stack([VECTOR] * len(queries)),
        errors=strings(*(errors or [b""] * len(queries))),
        retrievers=strings(*retrievers) if retrievers else None,
        passages_k=np.array(ks, dtype=np.int32) if ks else None,
    )


def test_rows_become_queries_with_or_without_options(search: PassageSearch) -> None:
    (plain,) = read_rows(request(b"list"), search)
    assert isinstance(plain, SearchQuery)
    assert (plain.text, plain.retriever, plain.passages_k) == ("list", None, None)
    (full,) = read_rows(request("größe".encode(), retrievers=(b"bm25",), ks=(2,)), search)
    assert isinstance(full, SearchQuery)
    assert (full.text, full.retriever, full.passages_k) == ("größe", "bm25", 2)


def test_a_wrong_row_is_refused_and_its_neighbours_are_not(search: PassageSearch) -> None:
    rows = read_rows(
        request(
            b"a",
            b"\xff",
            b"c",
            b"d",
            b"e",
            errors=(b"", b"", b"QUERY is empty", b"", b""),
            retrievers=(b"bm25", b"bm25", b"bm25", b"\xfe", b"bm25"),
            ks=(1, 1, 1, 1, 99),
        ),
        search,
    )
    assert isinstance(rows[0], SearchQuery)
    reasons = [row.reason for row in rows if isinstance(row, RefusedRow)]
    assert [reason.split(" ")[0] for reason in reasons] == ["QUERY", "QUERY", "RETRIEVER", "PASSAGES_K"]
    assert "is not UTF-8 at byte 0" in reasons[0]


def test_a_request_is_refused_only_when_no_row_is_left(search: PassageSearch) -> None:
    rows = read_rows(request(b"a", b"b", ks=(0, 1)), search)
    assert refusal(rows) is None
    assert refusal(rows[:1]) == "PASSAGES_K = 0: allowed are 1 to 20"
    assert refusal([]) is None


def test_results_fill_a_rectangle_as_wide_as_the_row_that_found_most(search: PassageSearch) -> None:
    rows = read_rows(
        request(b"ascending order", b"x", b"dictionary", retrievers=(b"bm25",) * 3, ks=(4, 0, 1)), search
    )
    found = iter(search.search([row for row in rows if isinstance(row, SearchQuery)]))
    result = lay_out(rows, found)
    assert {name: tensor.shape for name, tensor in result.texts.items()} == dict.fromkeys(
        ("id", "title", "source", "text"), (3, 2)
    )
    assert result.texts["id"].tolist() == [[b"p0", b"p1"], [b"", b""], [b"p4", b""]]
    assert np.isnan(result.scores).tolist() == [[False, False], [True, True], [False, True]]
    assert result.errors[:, 0].tolist() == [b"", b"PASSAGES_K = 0: allowed are 1 to 20", b""]
    assert next(found, None) is None


def test_a_single_row_has_no_padding(search: PassageSearch) -> None:
    rows = read_rows(request(b"ascending order", retrievers=(b"bm25",), ks=(4,)), search)
    result = lay_out(rows, iter(search.search([row for row in rows if isinstance(row, SearchQuery)])))
    assert result.texts["id"].tolist() == [[b"p0", b"p1"]]
    assert np.isfinite(result.scores).all()


def test_a_query_that_finds_nothing_still_has_a_row(search: PassageSearch) -> None:
    rows = read_rows(request(b"zebra", retrievers=(b"bm25",)), search)
    result = lay_out(rows, iter(search.search([row for row in rows if isinstance(row, SearchQuery)])))
    assert {tensor.shape for tensor in result.texts.values()} == {(1, 0)}
    assert result.errors.tolist() == [[b""]]
    assert result.scores.shape == (1, 0)
    assert result.scores.dtype == np.float32
