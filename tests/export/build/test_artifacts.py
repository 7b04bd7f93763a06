"""The artifact cache: what was made once is found again, and is always whole."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from triton_rag_export.build.artifacts import (
    ArtifactCache,
    default_cache_folder,
    key_of,
    library_versions,
    source_hash,
)
from triton_rag_export.errors import BuildError


def writes(text: str) -> Any:
    def make(folder: Path) -> Mapping[str, Any]:
        (folder / "made.txt").write_text(text)
        return {"characters": len(text)}

    return make


def never(folder: Path) -> Mapping[str, Any]:
    raise AssertionError("made again")


@pytest.fixture
def cache(tmp_path: Path) -> ArtifactCache:
    return ArtifactCache(tmp_path / "cache")


def test_an_artifact_is_made_once(cache: ArtifactCache) -> None:
    first = cache.get_or_make("step", {"a": 1}, writes("one"))
    second = cache.get_or_make("step", {"a": 1}, never)
    assert (first.reused, second.reused) == (False, True)
    assert second.facts == {"characters": 3}
    assert (second.folder / "made.txt").read_text() == "one"


def test_other_inputs_make_another_artifact(cache: ArtifactCache) -> None:
    one = cache.get_or_make("step", {"a": 1}, writes("one"))
    two = cache.get_or_make("step", {"a": 2}, writes("two"))
    assert one.folder != two.folder
    assert (one.folder / "made.txt").read_text() == "one"


def test_an_artifact_that_was_changed_is_made_again(cache: ArtifactCache) -> None:
    made = cache.get_or_make("step", {}, writes("one"))
    (made.folder / "made.txt").chmod(0o644)
    (made.folder / "made.txt").write_text("changed")
    assert not cache.get_or_make("step", {}, writes("again")).reused
    assert (made.folder / "made.txt").read_text() == "again"


def test_an_artifact_that_lost_a_file_is_made_again(cache: ArtifactCache) -> None:
    made = cache.get_or_make("step", {}, writes("one"))
    (made.folder / "made.txt").unlink()
    assert not cache.get_or_make("step", {}, writes("one")).reused


def test_a_step_that_fails_leaves_nothing(cache: ArtifactCache) -> None:
    def fail(folder: Path) -> Mapping[str, Any]:
        (folder / "half.txt").write_text("half")
        raise RuntimeError("out of luck")

    with pytest.raises(RuntimeError):
        cache.get_or_make("step", {}, fail)
    assert list((cache.folder / "step").iterdir()) == []
    assert not cache.get_or_make("step", {}, writes("one")).reused


def test_of_two_builds_that_make_the_same_the_first_stays(cache: ArtifactCache) -> None:
    def make_while_another_does(folder: Path) -> Mapping[str, Any]:
        cache.get_or_make("step", {}, writes("first"))
        return writes("second")(folder)

    made = cache.get_or_make("step", {}, make_while_another_does)
    assert (made.folder / "made.txt").read_text() == "first"


def test_files_of_the_cache_cannot_be_written(cache: ArtifactCache) -> None:
    made = cache.get_or_make("step", {}, writes("one"))
    assert (made.folder / "made.txt").stat().st_mode & 0o222 == 0


def test_a_cache_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BuildError, match="TRITON_RAG_CACHE"):
        ArtifactCache(tmp_path / "file").get_or_make("step", {}, never)


def test_the_folder_of_the_cache_can_be_chosen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TRITON_RAG_CACHE", str(tmp_path))
    assert default_cache_folder() == tmp_path / "artifacts"
    monkeypatch.delenv("TRITON_RAG_CACHE")
    assert default_cache_folder() == Path.home() / ".cache" / "triton-rag" / "artifacts"


def test_the_key_depends_on_content_not_on_order() -> None:
    assert key_of("step", {"a": 1, "b": 2}) == key_of("step", {"b": 2, "a": 1})
    assert key_of("step", {"a": 1}) != key_of("other", {"a": 1})


def test_the_hash_of_source_changes_with_the_source(tmp_path: Path) -> None:
    path = tmp_path / "code.py"
    path.write_text("x = 1\n")
    before = source_hash([path])
    assert source_hash([path]) == before
    path.write_text("x = 2\n")
    assert source_hash([path]) != before


def test_versions_of_missing_libraries_are_left_out() -> None:
    assert set(library_versions(["numpy", "no-such-distribution"])) == {"numpy"}
