"""The data of a distillation, from a corpus and the files that the settings name.

What is drawn depends on the training's seed alone. Questions that are held out decide nothing but which
weights are kept, and that only on request. A question that stands among the development questions too, or
several times with different passages, is one question: it is not trained on, or has several right passages.
"""

import random
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from triton_rag_export.compress.distil_encoder.data import Development, DistillationData, sentences
from triton_rag_export.compress.distil_encoder.settings import EncoderDistillation
from triton_rag_export.corpus import Passage
from triton_rag_export.corpus.json_lines import read_json_lines
from triton_rag_export.corpus.python_docs import read_python_docs
from triton_rag_export.errors import TrainingError
from triton_rag_export.evaluate.questions import Question, read_questions
from triton_rag_export.index import indexed_text


def read_distillation_data(
    settings: EncoderDistillation, passages: Sequence[Passage], kept_ids: Mapping[str, str] | None = None
) -> DistillationData:
    """Questions, passages, their sentences, and general text.

    Args:
        settings: which files, and how many of what.
        passages: of the corpus; a question names one, or a document of which they are pieces.
        kept_ids: ids of passages that were dropped as repetitions, to those of the ones that stayed.

    Raises:
        EvaluationError: a file of questions cannot be read.
        CorpusError: a file of texts cannot be read.
        TrainingError: the passage of a question is not in the corpus, or all questions are held out.
    """
    draw = random.Random(settings.training.seed)
    places = _Places(passages, kept_ids or {})
    development = _questions(settings.development)
    asked = _questions(settings.questions)
    questions = [question for name, question in asked.items() if name not in development]
    draw.shuffle(questions)
    if development:
        measured = draw.sample([*development.values()], min(settings.held_out, len(development)))
    else:
        if questions and settings.held_out >= len(questions):
            raise TrainingError(
                f"held_out is {settings.held_out}; allowed: below {len(questions)}, as many questions "
                "as there are to learn from, each counted once"
            )
        measured, questions = questions[: settings.held_out], questions[settings.held_out :]
    general = _general_texts(settings)
    return DistillationData(
        queries=[question.text for question in questions],
        passages=[indexed_text(passage) for passage in passages],
        others=[
            *_some(sentences(passage.text for passage in passages), settings.sentences, draw),
            *_some((*general, *sentences(general)), settings.general_texts, draw),
        ],
        pairs=[(row, place) for row, asked in enumerate(questions) for place in places.right(asked)],
        development=_development(settings, measured, passages, places, draw) if measured else None,
    )


def _questions(paths: Iterable[Path]) -> dict[str, Question]:
    """Each question once, with all that is right for it, by its words: letters' case and spaces aside."""
    found: dict[str, Question] = {}
    for question in (question for path in paths for question in read_questions(path)):
        name = " ".join(question.text.casefold().split())
        known = found.get(name)
        relevant = {**known.relevant, **question.relevant} if known else question.relevant
        found[name] = replace(known or question, relevant=relevant)
    return found


class _Places:
    """Where passages are, by their ids and by those of the documents of which they are pieces."""

    def __init__(self, passages: Sequence[Passage], kept_ids: Mapping[str, str]) -> None:
        self._kept_ids = kept_ids
        self._places: dict[str, list[int]] = defaultdict(list)
        for place, passage in enumerate(passages):
            for name in {passage.id, passage.document_id}:
                self._places[name].append(place)

    def right(self, question: Question) -> list[int]:
        """The places of what answers a question."""
        names = [self._kept_ids.get(name, name) for name in question.relevant]
        found = sorted({place for name in names for place in self._places.get(name, ())})
        if not found:
            raise TrainingError(
                f"question {question.text!r} names {', '.join(question.relevant)}, which the corpus does not "
                "have; correct the id, or take the question out"
            )
        return found


def _development(
    settings: EncoderDistillation,
    questions: Sequence[Question],
    passages: Sequence[Passage],
    places: _Places,
    draw: random.Random,
) -> Development:
    """Questions and their passages, among some others."""
    answers = [places.right(question)[0] for question in questions]
    others = draw.sample(range(len(passages)), min(settings.development_passages, len(passages)))
    kept = sorted({*answers, *others[: max(0, settings.development_passages - len(set(answers)))]})
    new_places = {place: number for number, place in enumerate(kept)}
    return Development(
        [question.text for question in questions],
        [indexed_text(passages[place]) for place in kept],
        [new_places[answer] for answer in answers],
    )


def _general_texts(settings: EncoderDistillation) -> list[str]:
    if not settings.general_texts:
        return []
    named = [document.text for path in settings.texts for document in read_json_lines(path)]
    return [*named, *(document.text for document in read_python_docs())] if settings.python_docs else named


def _some(texts: Iterable[str], count: int, draw: random.Random) -> list[str]:
    """Some of the texts, or all where there are fewer."""
    every = list(texts) if count else []
    return draw.sample(every, min(count, len(every)))
