"""`evaluate` over a small repository: the served code, in this process."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from export.conftest import SmallBuild
from export.small_build import small_recipe
from triton_rag_export.build import build
from triton_rag_export.errors import EvaluationError, RepositoryError
from triton_rag_export.evaluate import evaluate
from triton_rag_export.evaluate.retrieval_measures import MEASURES

QUESTIONS = (
    {
        "question": "Which sorting keeps the order of equal elements?",
        "passage_id": "sorting",
        "answers": ["stable"],
    },
    {"question": "How does a dictionary find a value?", "relevant": {"dictionaries": 2}},
    {"question": "What ends a while loop at once?", "passage_id": "loops", "answers": ["break", "Break"]},
    {"question": "Where does append put an element of a list?", "passage_id": "rows"},
)


class Counter:
    """Counts what an evaluation says it has done."""

    def __init__(self) -> None:
        self.tasks: dict[str, list[int]] = {}

    def task(self, name: str, total: int) -> Callable[[int], None]:
        self.tasks[name] = [total]
        return self.tasks[name].append


def questions_file(folder: Path, *rows: Any) -> Path:
    path = folder / "questions.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_every_retriever_is_measured(small_build: SmallBuild, tmp_path: Path) -> None:
    counter = Counter()
    report = evaluate(small_build.report.repository, questions_file(tmp_path, *QUESTIONS), counter)
    assert set(report.retrieval) == {"dense", "bm25", "hybrid"}
    for values in report.retrieval.values():
        assert set(values) == set(MEASURES)
    assert report.retrieval["bm25"]["recall@5"] == 1.0  # the words of the questions are in the passages
    assert report.answers is None
    for total, *finished in counter.tasks.values():
        assert sum(finished) == total == len(QUESTIONS)


def test_answers_are_measured_for_questions_that_have_right_ones(
    small_build: SmallBuild, tmp_path: Path
) -> None:
    counter = Counter()
    path = questions_file(tmp_path, *QUESTIONS)
    report = evaluate(small_build.report.repository, path, counter, with_answers=True)
    assert report.answered == 2
    assert report.answers is not None
    assert set(report.answers) == {"exact match", "F1", "ROUGE-L"}
    assert counter.tasks["answers"] == [2, 1, 1]


def test_more_answers_than_the_engine_holds_at_once_all_come(small_build: SmallBuild, tmp_path: Path) -> None:
    rows = [{**QUESTIONS[0], "question": f"What is stable, number {number}?"} for number in range(9)]
    path = questions_file(tmp_path, *rows)
    report = evaluate(small_build.report.repository, path, Counter(), with_answers=True)
    assert report.answered == 9


def test_a_limit_measures_the_first_questions(small_build: SmallBuild, tmp_path: Path) -> None:
    path = questions_file(tmp_path, *QUESTIONS)
    assert evaluate(small_build.report.repository, path, Counter(), limit=2).questions == 2


def test_an_unknown_id_is_named_with_file_and_line(small_build: SmallBuild, tmp_path: Path) -> None:
    path = questions_file(tmp_path, QUESTIONS[0], {"question": "q", "passage_id": "sortings"})
    with pytest.raises(EvaluationError, match=r"questions\.jsonl:2: 'sortings'"):
        evaluate(small_build.report.repository, path, Counter())


def test_a_question_that_the_pipeline_refuses_is_named(small_build: SmallBuild, tmp_path: Path) -> None:
    path = questions_file(tmp_path, QUESTIONS[0], {"question": "x" * 9000, "passage_id": "sorting"})
    with pytest.raises(EvaluationError, match=r"questions\.jsonl:2: .*'x+…' was refused: QUERY"):
        evaluate(small_build.report.repository, path, Counter())


def test_an_index_without_the_documents_of_its_passages_is_refused(repository: Path, tmp_path: Path) -> None:
    (repository / "passage_search" / "1" / "documents.json").unlink()
    with pytest.raises(RepositoryError, match=r"documents\.json cannot be read"):
        evaluate(repository, questions_file(tmp_path, *QUESTIONS), Counter())


def test_an_error_of_the_code_that_serves_is_an_error_of_ours(
    small_build: SmallBuild, repository: Path, tmp_path: Path
) -> None:
    path = repository / "query_encoder" / "1" / "encoder.json"
    settings = json.loads(path.read_text())
    path.unlink()
    path.write_text(json.dumps(settings | {"vocabulary_size": 3}))
    with pytest.raises(EvaluationError, match=r"INPUT_IDS holds .* allowed are 0 to 2"):
        evaluate(repository, questions_file(tmp_path, *QUESTIONS), Counter())


def test_answers_without_right_ones_are_refused(small_build: SmallBuild, tmp_path: Path) -> None:
    path = questions_file(tmp_path, QUESTIONS[1])
    with pytest.raises(EvaluationError, match='no question has "answers"'):
        evaluate(small_build.report.repository, path, Counter(), with_answers=True)


def test_answers_without_a_generator_are_refused(small_build: SmallBuild, tmp_path: Path) -> None:
    recipe = small_recipe(small_build.workshop, generator=False)
    build(recipe, tmp_path / "retrieval", cache=small_build.cache)
    path = questions_file(tmp_path, *QUESTIONS)
    with pytest.raises(RepositoryError, match="no model 'generator'"):
        evaluate(tmp_path / "retrieval", path, Counter(), with_answers=True)


def test_a_folder_that_is_no_repository_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RepositoryError, match="no model 'passage_search'"):
        evaluate(tmp_path, questions_file(tmp_path, *QUESTIONS), Counter())


def test_a_damaged_repository_is_an_error_of_ours(repository: Path, tmp_path: Path) -> None:
    path = repository / "query_encoder" / "1" / "encoder.onnx"
    path.unlink()
    with pytest.raises(RepositoryError, match=r"encoder\.onnx"):
        evaluate(repository, questions_file(tmp_path, *QUESTIONS), Counter())
