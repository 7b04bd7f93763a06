"""Data of a distillation from a corpus and files."""

import json
from pathlib import Path

import pytest
from triton_rag_export.compress.distil_encoder import EncoderDistillation, read_distillation_data
from triton_rag_export.corpus import Document, cut_passages, whole_passages
from triton_rag_export.errors import TrainingError

DOCUMENTS = [
    Document(
        f"d{number}", f"Title {number}", f"Text number {number} says this and that. And more of it, too.", "x"
    )
    for number in range(12)
]


def lines(path: Path, *rows: dict[str, object]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def settings(questions: Path, **changes: object) -> EncoderDistillation:
    defaults = {"held_out": 2, "python_docs": False, "development_passages": 6, "sentences": 5}
    return EncoderDistillation(questions=(questions,), **{**defaults, **changes})  # type: ignore[arg-type]


@pytest.fixture
def questions(tmp_path: Path) -> Path:
    rows = [{"question": f"What says {number}?", "passage_id": f"d{number}"} for number in range(10)]
    return lines(tmp_path / "questions.jsonl", *rows)


def test_questions_are_paired_with_their_passages_and_some_are_held_out(questions: Path) -> None:
    data = read_distillation_data(settings(questions), whole_passages(DOCUMENTS))

    assert len(data.queries) == len(data.pairs) == 8
    for query, passage in data.pairs:
        number = data.queries[query].removeprefix("What says ").removesuffix("?")
        assert data.passages[passage].startswith(f"Title {number}\n")
    measured = data.development
    assert measured is not None
    assert len(measured.questions) == 2
    assert not set(measured.questions) & set(data.queries)
    assert len(measured.passages) == 6
    for question, answer in zip(measured.questions, measured.answers, strict=True):
        assert measured.passages[answer].startswith(f"Title {question.split()[-1][:-1]}\n")
    assert len(data.others) == 5
    assert all(text.startswith(("Text number", "And more of it")) for text in data.others)


def test_the_seed_decides_what_is_drawn(questions: Path) -> None:
    passages = whole_passages(DOCUMENTS)

    assert read_distillation_data(settings(questions), passages) == read_distillation_data(
        settings(questions), passages
    )


def test_a_file_of_development_questions_leaves_the_others_alone(questions: Path, tmp_path: Path) -> None:
    own = lines(tmp_path / "dev.jsonl", {"question": "And eleven?", "relevant": {"d11": 1}})

    data = read_distillation_data(settings(questions, development=(own,)), whole_passages(DOCUMENTS))

    assert len(data.queries) == 10
    assert data.development is not None
    assert data.development.questions == ["And eleven?"]


def test_general_texts_come_from_files_and_from_python(questions: Path, tmp_path: Path) -> None:
    general = lines(tmp_path / "general.jsonl", {"id": "a", "text": "The train leaves at noon every day."})
    passages = whole_passages(DOCUMENTS)

    named = read_distillation_data(settings(questions, sentences=0, texts=(general,)), passages)
    python = read_distillation_data(
        settings(questions, sentences=0, python_docs=True, general_texts=200), passages
    )

    assert set(named.others) == {"The train leaves at noon every day."}
    assert len(python.others) == 200


def test_repetitions_count_as_what_stayed_and_unknown_ids_are_named(tmp_path: Path) -> None:
    asked = lines(tmp_path / "one.jsonl", {"question": "Who?", "passage_id": "gone"})
    passages = whole_passages(DOCUMENTS)

    data = read_distillation_data(settings(asked, held_out=0), passages, {"gone": "d3"})

    assert data.pairs == [(0, 3)]
    assert data.development is None
    with pytest.raises(TrainingError, match="question 'Who\\?' names gone, which the corpus does not have"):
        read_distillation_data(settings(asked, held_out=0), passages)


def test_equal_questions_are_one_with_several_right_passages(tmp_path: Path) -> None:
    asked = lines(
        tmp_path / "asked.jsonl",
        {"question": "Who is it?", "passage_id": "d1"},
        {"question": "who is  IT? ", "passage_id": "d4"},
        {"question": "Who else?", "passage_id": "d2"},
    )

    data = read_distillation_data(settings(asked, held_out=0), whole_passages(DOCUMENTS))

    assert sorted(data.queries) == ["Who else?", "Who is it?"]
    twice = data.queries.index("Who is it?")
    assert sorted(data.pairs) == sorted([(twice, 1), (twice, 4), (1 - twice, 2)])


def test_a_development_question_is_not_trained_on(questions: Path, tmp_path: Path) -> None:
    own = lines(tmp_path / "dev.jsonl", {"question": "what says 3?", "passage_id": "d3"})

    data = read_distillation_data(settings(questions, development=(own,)), whole_passages(DOCUMENTS))

    assert len(data.queries) == 9
    assert "What says 3?" not in data.queries


def test_quality_is_measured_on_so_many_of_the_development_questions(questions: Path, tmp_path: Path) -> None:
    rows = [{"question": f"And then {number}?", "passage_id": f"d{number}"} for number in range(6)]
    own = lines(tmp_path / "dev.jsonl", *rows)

    data = read_distillation_data(settings(questions, development=(own,)), whole_passages(DOCUMENTS))

    assert data.development is not None
    assert len(data.development.questions) == 2


def test_some_questions_are_left_to_learn_from(questions: Path) -> None:
    with pytest.raises(TrainingError, match="held_out is 10; allowed: below 10, as many questions"):
        read_distillation_data(settings(questions, held_out=10), whole_passages(DOCUMENTS))


def test_all_pieces_of_a_document_answer_its_question(tmp_path: Path) -> None:
    from tiny_encoders import byte_tokenizer

    pieces = cut_passages(
        DOCUMENTS[:1], byte_tokenizer(), passage_tokens=40, overlap_tokens=0, read_tokens=100
    )
    asked = lines(tmp_path / "one.jsonl", {"question": "Who?", "passage_id": "d0"})

    data = read_distillation_data(settings(asked, held_out=0), pieces)

    assert len(pieces) > 1
    assert data.pairs == [(0, place) for place in range(len(pieces))]
