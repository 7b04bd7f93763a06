"""Building an index: what is written, what is refused."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from passage_search import IndexSettings, PassageSearch, PassageStore, StoredPassage
from triton_rag_export.corpus import Passage
from triton_rag_export.errors import BuildError
from triton_rag_export.index import build_index, indexed_text
from triton_rag_export.recipe import RetrievalRecipe

PASSAGES = [Passage(f"p{n}", "doc", "Title", f"text {n}", "shelf", n, n + 6) for n in range(6)]
VECTORS = np.eye(6, 8, dtype=np.float32)


def test_the_settings_tell_recipe_and_encoder(tmp_path: Path) -> None:
    retrieval = RetrievalRecipe(retriever="dense", passages_k=7, candidates=30, rrf_k=9, dense_weight=0.25)
    report = build_index(PASSAGES, VECTORS, retrieval, {"weights": "abc"}, tmp_path / "new" / "index")
    assert IndexSettings.read(tmp_path / "new" / "index") == IndexSettings(
        passages=6,
        dimension=8,
        dense="exact",
        retriever="dense",
        passages_k=7,
        candidates=30,
        rrf_k=9,
        dense_weight=0.25,
        encoder={"weights": "abc"},
    )
    assert (report.passages, report.dimension, report.dense) == (6, 8, "exact")
    assert report.size_bytes > 0


def test_passages_keep_title_source_and_position(tmp_path: Path) -> None:
    build_index(PASSAGES, VECTORS, RetrievalRecipe(), {}, tmp_path)
    assert PassageStore.load(tmp_path)[2] == StoredPassage("p2", "Title", "shelf", "text 2", 2, 8)


def test_a_large_index_is_approximate(tmp_path: Path) -> None:
    assert build_index(PASSAGES, VECTORS, RetrievalRecipe(hnsw_above=5), {}, tmp_path).dense == "hnsw"
    assert PassageSearch.load(tmp_path).settings.dense == "hnsw"
    assert build_index(PASSAGES, VECTORS, RetrievalRecipe(hnsw_above=6), {}, tmp_path).dense == "exact"


def test_the_same_passages_give_the_same_files(tmp_path: Path) -> None:
    def built(folder: Path) -> dict[Path, bytes]:
        build_index(PASSAGES, VECTORS, RetrievalRecipe(), {}, folder)
        return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    first = built(tmp_path / "first")
    assert len(first) >= 5
    assert built(tmp_path / "second") == first


@pytest.mark.parametrize(
    ("passages", "vectors", "told"),
    [
        ([], VECTORS[:0], "the corpus has no passages"),
        (PASSAGES, VECTORS[:5], r"6 passages but vectors of shape \(5, 8\)"),
        ([PASSAGES[0], PASSAGES[0]], VECTORS[:2], "two passages have the same id"),
        (PASSAGES, np.full_like(VECTORS, np.inf), "not finite"),
    ],
)
def test_what_cannot_be_an_index_is_refused(
    tmp_path: Path, passages: list[Passage], vectors: np.ndarray, told: str
) -> None:
    with pytest.raises(BuildError, match=told):
        build_index(passages, vectors, RetrievalRecipe(), {}, tmp_path)


def test_a_title_is_indexed_once() -> None:
    passage = PASSAGES[0]
    assert indexed_text(passage) == "Title\ntext 0"
    assert indexed_text(replace(passage, title="")) == "text 0"
    assert indexed_text(replace(passage, title="text")) == "text 0"
