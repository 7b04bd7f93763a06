"""`evaluate`: read questions, ask the pipeline, measure, and give a report."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from triton_rag_export.errors import EvaluationError
from triton_rag_export.evaluate.answer_measures import answer_measures
from triton_rag_export.evaluate.indexed_ids import read_indexed_ids
from triton_rag_export.evaluate.judgements import IndexedIds, Judgement, judge
from triton_rag_export.evaluate.local_pipeline import LocalPipeline
from triton_rag_export.evaluate.pipeline import Pipeline, Progress, RefusedQuestionError
from triton_rag_export.evaluate.questions import Question, read_questions
from triton_rag_export.evaluate.remote_pipeline import RemotePipeline
from triton_rag_export.evaluate.retrieval_measures import retrieval_measures
from triton_rag_export.served_errors import served_errors_as

RETRIEVERS = ("dense", "bm25", "hybrid")


@dataclass(frozen=True, slots=True)
class EvaluationReport:
    """What the questions got.

    Attributes:
        repository: the folder.
        url: the server that was asked; None when the pipeline ran in this process.
        questions: how many were measured for retrieval.
        depth: passages a ranking has at most.
        retrieval: by retriever, then by measure.
        answered: how many answers were measured.
        answers: by measure; None when answers were not asked for.
    """

    repository: str
    url: str | None
    questions: int
    depth: int
    retrieval: Mapping[str, Mapping[str, float]]
    answered: int = 0
    answers: Mapping[str, float] | None = None


class EvaluationProgress(Protocol):
    """Who shows how far an evaluation is."""

    def task(self, name: str, total: int) -> Progress:
        """Begin a task of so many questions; what it returns is called with the number newly finished."""


def evaluate(
    repository: Path,
    questions_file: Path,
    progress: EvaluationProgress,
    *,
    with_answers: bool = False,
    url: str | None = None,
    limit: int | None = None,
) -> EvaluationReport:
    """Measure what questions get from a repository.

    Args:
        repository: what `triton-rag build` wrote; its ids are what questions may name.
        questions_file: JSON lines (see `questions`).
        progress: told how far it is.
        with_answers: generate answers too, for the questions that have right ones.
        url: gRPC address of a server that serves the repository; default: in this process.
        limit: measure only the first so many questions.

    Raises:
        EvaluationError: the file, a question or an id is wrong (file and line), or the server is silent.
        RepositoryError: the repository is not complete.
    """
    questions = read_questions(questions_file, limit)
    ids = read_indexed_ids(repository)
    judgements = judge(questions, ids, questions_file)
    answerable = [question for question in questions if question.answers] if with_answers else []
    if with_answers and not answerable:
        raise EvaluationError(
            f'{questions_file}: no question has "answers"; add some, or leave out --answers'
        )
    with (
        served_errors_as(EvaluationError, str(repository)),
        _places_named(questions, questions_file),
        closing(RemotePipeline(url, ids.document_ids) if url else LocalPipeline(repository)) as pipeline,
    ):
        retrieval = {
            retriever: _measure_retrieval(pipeline, retriever, questions, judgements, ids, progress)
            for retriever in RETRIEVERS
        }
        answers = _measure_answers(pipeline, answerable, progress) if answerable else None
        return EvaluationReport(
            repository=str(repository),
            url=url,
            questions=len(questions),
            depth=pipeline.depth,
            retrieval=retrieval,
            answered=len(answerable),
            answers=answers,
        )


@contextmanager
def _places_named(questions: Sequence[Question], path: Path) -> Iterator[None]:
    """Put file and line in front of the error about a refused question."""
    try:
        yield
    except RefusedQuestionError as error:
        line = next(question.line for question in questions if question.text == error.text)
        raise EvaluationError(f"{path}:{line}: {error}") from error


def _measure_retrieval(
    pipeline: Pipeline,
    retriever: str,
    questions: Sequence[Question],
    judgements: Sequence[Judgement],
    ids: IndexedIds,
    progress: EvaluationProgress,
) -> dict[str, float]:
    advance = progress.task(f"{retriever} retrieval", len(questions))
    found = pipeline.rank([question.text for question in questions], retriever, advance)
    rankings = [
        judgement.ranked(ranking.passage_ids, ids)
        for judgement, ranking in zip(judgements, found, strict=True)
    ]
    return retrieval_measures([judgement.grades for judgement in judgements], rankings)


def _measure_answers(
    pipeline: Pipeline, questions: Sequence[Question], progress: EvaluationProgress
) -> dict[str, float]:
    advance = progress.task("answers", len(questions))
    answers = pipeline.answer([question.text for question in questions], advance)
    return answer_measures(answers, [question.answers for question in questions])
