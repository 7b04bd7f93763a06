"""JSON lines: what is read, and what a wrong line is told."""

from pathlib import Path

import pytest
from triton_rag_export.corpus import Document
from triton_rag_export.corpus.json_lines import read_json_lines
from triton_rag_export.errors import CorpusError

GOOD = '{"id": "a", "title": "A", "text": "Text of a.", "source": "shelf"}\n'


def read(folder: Path, content: bytes | str) -> list[Document]:
    path = folder / "corpus.jsonl"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return list(read_json_lines(path))


def test_rows_become_documents_in_their_order(tmp_path: Path) -> None:
    content = "\ufeff" + GOOD + '\n  \n{"id": "b", "text": "第二", "other": [1]}\n'
    assert read(tmp_path, content) == [
        Document("a", "A", "Text of a.", "shelf"),
        Document("b", "", "第二", "corpus.jsonl"),
    ]


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("{'id': 1}", "not JSON"),
        ("[1, 2]", "not a JSON object"),
        ('{"id": "b"}', '"text" is missing'),
        ('{"text": "b"}', '"id" is missing'),
        ('{"id": "", "text": "b"}', '"id" is empty'),
        ('{"id": "b", "text": " \\n"}', '"text" is empty'),
        ('{"id": 7, "text": "b"}', '"id" is 7. It must be a string'),
        ('{"id": "b", "text": "b", "title": ["x"]}', '"title" is \\["x"\\]. It must be a string'),
        ('{"id": "b", "text": null}', '"text" is null'),
        ('{"id": "a", "text": "again"}', 'id "a" was used in line 1'),
        ('{"id": "b", "text": "x\\ud800"}', "half a surrogate pair at character 1"),
    ],
)
def test_a_wrong_line_is_named_with_path_and_number(tmp_path: Path, line: str, told: str) -> None:
    with pytest.raises(CorpusError, match=rf"corpus\.jsonl:3: .*{told}"):
        read(tmp_path, GOOD + "\n" + line + "\n")


def test_bytes_that_are_not_utf8_are_named_with_their_line(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"corpus\.jsonl:2: not UTF-8 at byte 10 of the line"):
        read(tmp_path, GOOD.encode() + '{"text": "ä"}'.encode("latin-1"))


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"missing\.jsonl: cannot be read: No such file"):
        list(read_json_lines(tmp_path / "missing.jsonl"))
