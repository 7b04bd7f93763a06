from collections import Counter
from pathlib import Path

import pytest
from triton_rag_client.errors import InvalidRequestError
from triton_rag_client.load import python_questions, read_questions, zipf_repeated


def test_questions_are_many_and_distinct() -> None:
    questions = python_questions()
    assert len(questions) == len(set(questions)) == 200
    assert all(question.endswith("?") for question in questions)


def test_a_file_of_questions_is_read_in_its_order(tmp_path: Path) -> None:
    file = tmp_path / "questions.jsonl"
    lines = ('{"question": "a?", "passage_id": "x"}', "", '{"question": "b\u2028?"}', "")
    file.write_text("\n".join(lines), encoding="utf-8")
    assert read_questions(file) == ("a?", "b\u2028?")


@pytest.mark.parametrize(
    "line", ['{"question": "a"', '["a"]', '{"question": 3}', '{"question": " "}', '{"query": "a"}']
)
def test_a_broken_line_is_named_with_its_file(tmp_path: Path, line: str) -> None:
    file = tmp_path / "questions.jsonl"
    file.write_text('{"question": "a"}\n\n' + line + "\n")
    with pytest.raises(InvalidRequestError, match=r'questions\.jsonl:3 is not {"question": "…"}'):
        read_questions(file)


def test_a_file_that_is_not_there_or_holds_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequestError, match=r"nowhere\.jsonl cannot be read .*JSON lines"):
        read_questions(tmp_path / "nowhere.jsonl")
    (tmp_path / "empty.jsonl").write_text("\n")
    with pytest.raises(InvalidRequestError, match=r"empty\.jsonl is empty"):
        read_questions(tmp_path / "empty.jsonl")


def test_repeated_questions_follow_zipfs_law() -> None:
    questions = [str(number) for number in range(50)]
    drawn = zipf_repeated(questions, 1.0, seed=1)
    counts = [count for _, count in Counter(drawn).most_common()]
    whole = sum(1 / rank for rank in range(1, 51))
    for rank in (1, 2, 5, 10):
        expected = len(drawn) / rank / whole
        assert counts[rank - 1] == pytest.approx(expected, abs=5 * expected**0.5)
    assert zipf_repeated(questions, 1.0, seed=1) == drawn != zipf_repeated(questions, 1.0, seed=2)


def test_an_exponent_of_zero_draws_all_alike() -> None:
    counts = Counter(zipf_repeated(["a", "b"], 0.0))
    assert counts["a"] == pytest.approx(5_000, abs=5 * 50)


@pytest.mark.parametrize("exponent", [-1, 11, float("nan")])
def test_an_exponent_out_of_range_is_refused(exponent: float) -> None:
    with pytest.raises(InvalidRequestError, match="allowed are 0 to 10"):
        zipf_repeated(["a"], exponent)
