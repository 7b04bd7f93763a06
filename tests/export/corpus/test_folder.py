"""Folders: which files are read, in which order, under which ids, and what a broken one is told."""

from pathlib import Path

import pytest
from triton_rag_export.corpus import Document
from triton_rag_export.corpus.folder import read_folder
from triton_rag_export.errors import CorpusError


def write(folder: Path, name: str, content: str | bytes) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)


def test_markdown_text_and_html_are_read_by_path_and_section(tmp_path: Path) -> None:
    write(tmp_path, "b.txt", "Plain.\r\nText.\n")
    write(
        tmp_path,
        "a/guide.md",
        "# Guide\nStart.\n\n## Install it!\nRun it.\n## Install it!\nAgain.\n## Empty\n",
    )
    write(tmp_path, "c.HTML", "<title>Page</title><p>Hello</p>")
    write(tmp_path, "ignored.pdf", b"\xff")
    write(tmp_path, ".hidden/x.md", "hidden")
    assert list(read_folder(tmp_path)) == [
        Document("a/guide.md", "Guide", "Start.", "a/guide.md"),
        Document("a/guide.md#install-it", "Guide › Install it!", "Run it.", "a/guide.md"),
        Document("a/guide.md#install-it-2", "Guide › Install it!", "Again.", "a/guide.md"),
        Document("b.txt", "b", "Plain.\nText.", "b.txt"),
        Document("c.HTML", "Page", "Hello", "c.HTML"),
    ]


def test_a_section_is_named_by_the_headings_above_it(tmp_path: Path) -> None:
    text = "# Product A\na\n## Install\none\n### Linux\ntwo\n# Product B\n## Install\nthree\n"
    write(tmp_path, "products.md", text)
    assert [document.title for document in read_folder(tmp_path)] == [
        "Product A",
        "Product A › Install",
        "Product A › Install › Linux",
        "Product B › Install",
    ]


def test_an_id_of_a_section_is_never_that_of_a_piece(tmp_path: Path) -> None:
    write(tmp_path, "changes.md", "# Changes\nx\n## 2\nx\n## 20 24\nx\n## \U0001f600\nx\n## \U0001f600\nx\n")
    assert [document.id.partition("#")[2] for document in read_folder(tmp_path)] == [
        "",
        "section-2",
        "section-20-24",
        "section",
        "section-3",
    ]


def test_linked_folders_are_read_once_and_cycles_end(tmp_path: Path) -> None:
    corpus, outside = tmp_path / "corpus", tmp_path / "outside"
    write(corpus, "own/a.txt", "a")
    write(outside, "b.txt", "b")
    (corpus / "again").symlink_to(corpus / "own")
    (corpus / "linked").symlink_to(outside)
    (outside / "back").symlink_to(corpus)
    assert [document.id for document in read_folder(corpus)] == ["linked/b.txt", "own/a.txt"]


def test_files_without_text_are_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write(tmp_path, "a.html", "<nav>Home</nav>")
    write(tmp_path, "b.md", "text")
    assert [document.id for document in read_folder(tmp_path)] == ["b.md"]
    assert "1 of 2 files have no text: a.html" in caplog.text


def test_a_page_is_read_in_the_encoding_it_declares(tmp_path: Path) -> None:
    write(tmp_path, "old.html", '<meta charset="iso-8859-1"><p>Größe</p>'.encode("latin-1"))
    assert next(read_folder(tmp_path)).text == "Größe"


@pytest.mark.parametrize("name", ["x.md", "x.txt", "x.html"])
def test_a_file_in_another_encoding_is_named_with_its_line(tmp_path: Path, name: str) -> None:
    write(tmp_path, name, "first\nGröße".encode("latin-1"))
    with pytest.raises(CorpusError, match=rf"{name}:2: not utf-8 at byte 8\. Save the file as UTF-8"):
        list(read_folder(tmp_path))


def test_an_unknown_encoding_is_named(tmp_path: Path) -> None:
    write(tmp_path, "x.html", '<meta charset="klingon"><p>x</p>')
    with pytest.raises(CorpusError, match=r"x\.html: declares the unknown encoding klingon"):
        list(read_folder(tmp_path))


def test_a_folder_with_nothing_to_read_says_what_is_supported(tmp_path: Path) -> None:
    write(tmp_path, "ignored.pdf", b"x")
    with pytest.raises(CorpusError, match=r"no file to read\. Supported: .*\.md"):
        list(read_folder(tmp_path))
