"""Searching an open index: retrievers, defaults, limits, and what a wrong query is told."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from passage_search import FoundPassage, IndexFilesError, OptionError, PassageSearch, SearchQuery, VectorIndex

VECTOR = np.eye(8, dtype=np.float32)[0]


def ids(found: tuple[FoundPassage, ...]) -> list[str]:
    return [passage.id for passage in found]


def test_dense_ranks_by_inner_product(search: PassageSearch) -> None:
    (found,) = search.search([SearchQuery("ignored", VECTOR, "dense", 5)])
    scores = [passage.score for passage in found]
    assert len(found) == 5
    assert scores == sorted(scores, reverse=True)


def test_bm25_needs_no_vector_and_finds_by_words_of_title_and_text(search: PassageSearch) -> None:
    (found,) = search.search([SearchQuery("join a path", None, "bm25")])
    assert found[0] == FoundPassage(
        id="p2",
        title="os.path.join",
        source="shelf 2",
        text="Join two or more pathname components, inserting '/' as needed.",
        score=found[0].score,
    )
    assert found[0].score > 0


def test_bm25_finds_text_without_spaces(search: PassageSearch) -> None:
    assert ids(search.search([SearchQuery("美式足球的超级碗", None, "bm25")])[0]) == ["p3"]


def test_hybrid_is_the_default_of_this_index_and_joins_both(search: PassageSearch) -> None:
    query = SearchQuery("ascending order", VECTOR)
    (found,) = search.search([query])
    (named,) = search.search([replace(query, retriever="hybrid", passages_k=3)])
    assert found == named
    assert len(found) == 3
    (dense,) = search.search([replace(query, retriever="dense", passages_k=1)])
    assert ids(dense)[0] in ids(found)


def test_hybrid_without_a_known_word_is_dense(search: PassageSearch) -> None:
    (hybrid,) = search.search([SearchQuery("???", VECTOR, "hybrid", 5)])
    (dense,) = search.search([SearchQuery("???", VECTOR, "dense", 5)])
    assert ids(hybrid) == ids(dense)


def test_a_query_finds_the_same_alone_and_among_others(search: PassageSearch) -> None:
    queries = [
        SearchQuery("ascending order", VECTOR, "hybrid", 5),
        SearchQuery("dictionary", None, "bm25", 1),
        SearchQuery("x", -VECTOR, "dense", 2),
    ]
    assert search.search(queries) == [search.search([query])[0] for query in queries]


def test_more_passages_than_there_are_give_all_of_them(search: PassageSearch) -> None:
    assert len(search.search([SearchQuery("list", VECTOR, "hybrid", 20)])[0]) == 5


def test_no_queries_give_no_results(search: PassageSearch) -> None:
    assert search.search([]) == []


@pytest.mark.parametrize(
    ("query", "told"),
    [
        (SearchQuery("x", VECTOR, "bm52"), "RETRIEVER = 'bm52': allowed are dense, bm25, hybrid"),
        (SearchQuery("x", VECTOR, ""), "RETRIEVER = '': allowed are dense, bm25, hybrid"),
        (SearchQuery("x", VECTOR, None, 0), "PASSAGES_K = 0: allowed are 1 to 20"),
        (SearchQuery("x", VECTOR, None, 21), "PASSAGES_K = 21: allowed are 1 to 20"),
        (SearchQuery("x", VECTOR, None, -(2**31)), "PASSAGES_K = -2147483648: allowed are 1 to 20"),
        (SearchQuery("x", None, "dense"), r"EMBEDDING has shape None: needed is \(8,\)"),
        (SearchQuery("x", VECTOR[:3], "hybrid"), r"EMBEDDING has shape \(3,\): needed is \(8,\)"),
        (SearchQuery("x", VECTOR * np.nan, "dense"), "EMBEDDING is not finite"),
    ],
)
def test_a_wrong_query_is_told_field_value_and_range(
    search: PassageSearch, query: SearchQuery, told: str
) -> None:
    with pytest.raises(OptionError, match=told):
        search.check(query)


def test_a_good_query_is_let_through(search: PassageSearch) -> None:
    search.check(SearchQuery("x", VECTOR, "hybrid", 20))
    search.check(SearchQuery("x", VECTOR * np.nan, "bm25", 1))


def test_parts_of_different_indexes_are_refused(index_folder: Path, tmp_path: Path) -> None:
    shutil.copytree(index_folder, tmp_path, dirs_exist_ok=True)
    VectorIndex.build(np.eye(8, dtype=np.float32)).save(tmp_path)
    with pytest.raises(IndexFilesError, match=r"has 5 passages, but .* have \(5, 5, 8\)"):
        PassageSearch.load(tmp_path)


@pytest.mark.parametrize("text", ["", "[]", '{"passages": 1}'])
def test_broken_settings_say_what_to_do(index_folder: Path, tmp_path: Path, text: str) -> None:
    shutil.copytree(index_folder, tmp_path, dirs_exist_ok=True)
    (tmp_path / "index.json").write_text(text, encoding="utf-8")
    with pytest.raises(IndexFilesError, match=r"index\.json cannot be used .*build the repository again"):
        PassageSearch.load(tmp_path)
