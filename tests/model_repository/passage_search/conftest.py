"""Small real indexes: texts with words of their own, and vectors drawn once."""

from pathlib import Path

import numpy as np
import pytest
from passage_search import PassageSearch
from triton_rag_export.corpus import Passage
from triton_rag_export.index import build_index
from triton_rag_export.recipe import RetrievalRecipe

TEXTS = (
    ("list.sort", "Sort the list in ascending order and return None."),
    ("sorted", "Return a new list containing all items from the iterable in ascending order."),
    ("os.path.join", "Join two or more pathname components, inserting '/' as needed."),
    ("超级碗", "第50届超级碗是一场美式足球比赛。"),
    ("dict.get", "Return the value for key if key is in the dictionary, else default."),
)
DIMENSION = 8
FINGERPRINT: dict[str, str | int | bool] = {
    "weights": "abc",
    "precision": "int8",
    "normalize": True,
    "dim": DIMENSION,
}


def passages(count: int = len(TEXTS)) -> list[Passage]:
    return [
        Passage(f"p{n}", f"d{n}", title, text, f"shelf {n}", n, n + len(text))
        for n, (title, text) in zip(range(count), TEXTS, strict=False)
    ]


def vectors(count: int = len(TEXTS), dimension: int = DIMENSION, seed: int = 0) -> np.ndarray:
    drawn = np.random.default_rng(seed).normal(size=(count, dimension)).astype(np.float32)
    return drawn / np.linalg.norm(drawn, axis=1, keepdims=True)


@pytest.fixture(scope="session")
def index_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An index over `TEXTS`."""
    folder = tmp_path_factory.mktemp("index")
    build_index(passages(), vectors(), RetrievalRecipe(passages_k=3), FINGERPRINT, folder)
    return folder


@pytest.fixture(scope="session")
def search(index_folder: Path) -> PassageSearch:
    """The same index, open."""
    return PassageSearch.load(index_folder)
