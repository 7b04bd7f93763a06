"""The texts on disk come back as they were."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from passage_search import IndexFilesError, PassageStore, StoredPassage

TEXT = st.text(alphabet=st.characters(codec="utf-8"), max_size=20)
PASSAGES = st.lists(
    st.builds(StoredPassage, TEXT, TEXT, TEXT, TEXT, st.integers(0, 10**9), st.integers(0, 10**9)),
    min_size=1,
    max_size=8,
).filter(lambda passages: any(p.id + p.title + p.source + p.text for p in passages))


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(passages=PASSAGES)
def test_what_is_written_is_read(tmp_path: Path, passages: list[StoredPassage]) -> None:
    PassageStore.write(passages, tmp_path)
    store = PassageStore.load(tmp_path)
    assert [store[row] for row in range(len(store))] == passages
    assert [store.id(row) for row in range(len(store))] == [passage.id for passage in passages]


def test_a_missing_file_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(IndexFilesError, match="build the repository again"):
        PassageStore.load(tmp_path)


def test_a_shortened_file_is_noticed(tmp_path: Path) -> None:
    PassageStore.write([StoredPassage("a", "b", "c", "text", 0, 4)], tmp_path)
    (tmp_path / "passages.utf8").write_bytes(b"abct")
    with pytest.raises(IndexFilesError, match="do not match"):
        PassageStore.load(tmp_path)
