"""The output folder is whole or as it was before, whatever happens in between."""

from pathlib import Path

import pytest
from triton_rag_export.build.output import check_output, new_folder, place_file
from triton_rag_export.errors import BuildError


def test_a_new_folder_takes_its_place_at_the_end(tmp_path: Path) -> None:
    out = tmp_path / "deep" / "out"
    with new_folder(out) as workplace:
        (workplace / "manifest.json").write_text("{}")
        assert not out.exists()
    assert [path.name for path in out.iterdir()] == ["manifest.json"]
    assert [path.name for path in out.parent.iterdir()] == ["out"]


def test_an_older_repository_is_replaced(tmp_path: Path) -> None:
    for text in ("old", "new"):
        with new_folder(tmp_path / "out") as workplace:
            (workplace / "manifest.json").write_text(text)
            (workplace / text).touch()
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["manifest.json", "new"]
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_an_interrupted_build_leaves_what_was_there(tmp_path: Path, error: type[BaseException]) -> None:
    with new_folder(tmp_path / "out") as workplace:
        (workplace / "manifest.json").write_text("old")

    def interrupted() -> None:
        with new_folder(tmp_path / "out") as workplace:
            (workplace / "manifest.json").write_text("half")
            raise error

    with pytest.raises(error):
        interrupted()
    assert (tmp_path / "out" / "manifest.json").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_folder_with_other_things_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(BuildError, match="not a repository that triton-rag built"):
        check_output(tmp_path)


def test_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    with pytest.raises(BuildError, match="is a file"):
        check_output(tmp_path / "out")


def test_a_mount_point_is_refused_with_a_folder_in_it() -> None:
    with pytest.raises(BuildError, match="mount point, which cannot be replaced: name a folder in it"):
        check_output(Path("/proc"))


def test_an_older_repository_that_cannot_be_moved_stays_and_is_named(tmp_path: Path) -> None:
    with new_folder(tmp_path / "out") as workplace:
        (workplace / "manifest.json").write_text("old")

    def blocked() -> None:
        with new_folder(tmp_path / "out") as workplace:
            (workplace.with_name(workplace.name + ".old") / "full").mkdir(parents=True)

    with pytest.raises(BuildError, match="out cannot be replaced"):
        blocked()
    assert (tmp_path / "out" / "manifest.json").read_text() == "old"


def test_an_empty_folder_is_taken(tmp_path: Path) -> None:
    check_output(tmp_path)


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BuildError, match="cannot be written"), new_folder(tmp_path / "file" / "out"):
        pass


def test_a_placed_file_is_a_link_where_links_work(tmp_path: Path) -> None:
    (tmp_path / "source").write_text("content")
    place_file(tmp_path / "source", tmp_path / "deep" / "target")
    assert (tmp_path / "deep" / "target").samefile(tmp_path / "source")
