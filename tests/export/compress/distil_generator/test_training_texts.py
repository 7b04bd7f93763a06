"""Files of training texts: three kinds of rows, and a bad one is named with file and line."""

import json
from pathlib import Path
from typing import Any

import pytest
from triton_rag_export.compress.distil_generator.training_texts import read_training_texts
from triton_rag_export.errors import CorpusError

PASSAGES = [{"id": f"p{number}", "title": "T", "text": f"text {number}"} for number in range(5)]
XQUAD = Path(__file__).resolve().parents[5] / "shared" / "data" / "xquad" / "en" / "questions.dev.jsonl"


def write(path: Path, *rows: Any) -> Path:
    lines = (row if isinstance(row, str) else json.dumps(row) for row in rows)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def test_prompts_and_texts_are_read(tmp_path: Path) -> None:
    rows = ({"prompt": "p", "answer": "a"}, "", {"source": "s", "answer": ""}, {"title": "T", "text": "x"})
    one, two, three = read_training_texts(write(tmp_path / "data.jsonl", *rows))
    assert (one.prompt, one.answer) == ("p", "a")
    assert (two.prompt, two.answer) == ("s", "")
    assert (three.prompt, three.question, three.answer) == (None, None, "T\nx")


def test_a_question_comes_with_its_passage_among_others(tmp_path: Path) -> None:
    write(tmp_path / "passages.jsonl", *PASSAGES)
    rows = [{"question": f"q{n}?", "answers": ["right", "also"], "passage_id": f"p{n}"} for n in range(5)]
    path = write(tmp_path / "questions.jsonl", *rows)
    for number, text in enumerate(read_training_texts(path, passages=3, seed=4)):
        assert text.answer == "right"
        found = [passage.text for passage in text.passages]
        assert len(set(found)) == 3
        assert f"text {number}" in found
    assert read_training_texts(path, passages=3, seed=4) == read_training_texts(path, passages=3, seed=4)
    assert read_training_texts(path, passages=3, seed=5) != read_training_texts(path, passages=3, seed=4)
    (alone, *_) = read_training_texts(path)
    assert [passage.text for passage in alone.passages] == ["text 0"]


def test_plain_text_is_read_by_paragraphs(tmp_path: Path) -> None:
    path = tmp_path / "book.txt"
    path.write_text("One\nline.\n\n\n\nTwo.\n", encoding="utf-8")
    assert [text.answer for text in read_training_texts(path)] == ["One\nline.", "Two."]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("{", "data.jsonl:2: not JSON"),
        ("[1]", r"data.jsonl:2: \[1\] is no object"),
        ({"other": 1}, "data.jsonl:2: none of the known keys"),
        ({"prompt": 7, "answer": "a"}, 'data.jsonl:2: "prompt" is 7: give a text'),
        ({"question": "q?", "answers": "a"}, 'data.jsonl:2: "answers" is "a": give a list'),
        ({"question": "q?", "passage_id": "no"}, 'data.jsonl:2: "passage_id" is .no., which is not in'),
    ],
)
def test_a_bad_row_is_named(tmp_path: Path, row: Any, message: str) -> None:
    write(tmp_path / "passages.jsonl", *PASSAGES)
    with pytest.raises(CorpusError, match=message):
        read_training_texts(write(tmp_path / "data.jsonl", {"text": "good"}, row))


def test_files_without_texts_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="holds no texts"):
        read_training_texts(write(tmp_path / "data.jsonl", ""))
    with pytest.raises(CorpusError, match="cannot be read"):
        read_training_texts(tmp_path / "missing.jsonl")
    (tmp_path / "latin.txt").write_bytes(b"\xff\xfe")
    with pytest.raises(CorpusError, match="not UTF-8 at byte 0"):
        read_training_texts(tmp_path / "latin.txt")


@pytest.mark.skipif(not XQUAD.is_file(), reason="the data folder beside the project is missing")
def test_the_questions_of_xquad_come_with_the_passage_that_holds_the_answer() -> None:
    texts = read_training_texts(XQUAD, passages=3)
    assert len(texts) == 612
    held = [any((text.answer or "") in passage.text for passage in text.passages) for text in texts]
    assert sum(held) == 612
