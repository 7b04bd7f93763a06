"""Each source of a recipe finds its reader."""

from pathlib import Path

import pytest
from triton_rag_export.corpus import read_documents
from triton_rag_export.errors import CorpusError
from triton_rag_export.recipe import CorpusRecipe


def test_each_source_is_read(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text('{"id": "a", "text": "b"}\n', encoding="utf-8")
    (tmp_path / "note.txt").write_text("note", encoding="utf-8")
    rows = list(read_documents(CorpusRecipe(source="jsonl", path=tmp_path / "rows.jsonl")))
    notes = list(read_documents(CorpusRecipe(source="folder", path=tmp_path)))
    topic = next(read_documents(CorpusRecipe(source="python-docs")))
    assert [rows[0].id, notes[0].id, topic.id] == ["a", "note.txt", "topics/assert"]


def test_a_source_without_documents_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text("\n", encoding="utf-8")
    with pytest.raises(CorpusError, match=r"rows\.jsonl: no documents found"):
        list(read_documents(CorpusRecipe(source="jsonl", path=tmp_path / "rows.jsonl")))
