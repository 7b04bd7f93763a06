"""Questions are read with care: a bad row is named with file and line."""

import json
from pathlib import Path
from typing import Any

import pytest
from triton_rag_export.errors import EvaluationError
from triton_rag_export.evaluate import read_questions


def write(folder: Path, *rows: Any) -> Path:
    path = folder / "questions.jsonl"
    lines = (row if isinstance(row, str) else json.dumps(row) for row in rows)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def test_both_ways_to_name_what_is_right_are_read(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        {"question": "one?", "passage_id": "a", "answers": ["x"]},
        "",
        {"question": "two?", "relevant": {"a": 2, "b": 1, "c": 0}, "kind": "ignored"},
    )
    one, two = read_questions(path)
    assert (one.relevant, one.answers, one.line) == ({"a": 1}, ("x",), 1)
    assert (two.relevant, two.answers, two.line) == ({"a": 2, "b": 1}, (), 3)


def test_a_limit_reads_no_further(tmp_path: Path) -> None:
    path = write(tmp_path, {"question": "one?", "passage_id": "a"}, "no JSON at all")
    assert len(read_questions(path, limit=1)) == 1


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("{", "no JSON"),
        ("[" * 100_000, "no JSON"),
        (["list"], "is no object"),
        ({"passage_id": "a"}, '"question" is null'),
        ({"question": " ", "passage_id": "a"}, "not empty"),
        ({"question": "q"}, "either"),
        ({"question": "q", "passage_id": "a", "relevant": {"a": 1}}, "either"),
        ({"question": "q", "passage_id": 7}, '"passage_id" is 7'),
        ({"question": "q", "relevant": ["a"]}, '"relevant" is'),
        ({"question": "q", "relevant": {"a": -1}}, "whole grades"),
        ({"question": "q", "relevant": {"a": True}}, "whole grades"),
        ({"question": "q", "relevant": {"a": 0}}, "no id with a grade"),
        ({"question": "q", "passage_id": "a", "answers": "x"}, '"answers" is "x"'),
    ],
)
def test_a_bad_row_is_named_with_file_and_line(tmp_path: Path, row: Any, said: str) -> None:
    path = write(tmp_path, {"question": "good?", "passage_id": "a"}, row)
    with pytest.raises(EvaluationError, match=said) as error:
        read_questions(path)
    assert str(error.value).startswith(f"{path}:2: ")


def test_a_file_without_questions_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match="holds no questions"):
        read_questions(write(tmp_path, ""))


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match="cannot be read"):
        read_questions(tmp_path / "nothing.jsonl")
    (tmp_path / "latin.jsonl").write_bytes(b'\n{"question": "caf\xe9"}\n')
    with pytest.raises(EvaluationError, match=r"latin\.jsonl:2: not UTF-8 at byte 17 of the line"):
        read_questions(tmp_path / "latin.jsonl")
