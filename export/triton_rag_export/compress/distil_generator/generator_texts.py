"""The texts of one distillation: what is learned, what is measured on, and the frame around questions."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from triton_rag_export.compress.distil_generator.examples import TrainingText
from triton_rag_export.compress.distil_generator.settings import DistilGeneratorSettings
from triton_rag_export.compress.distil_generator.training_texts import read_training_texts
from triton_rag_export.compress.spread import spread_places
from triton_rag_export.corpus import Passage
from triton_rag_export.recipe import GeneratorRecipe

_Item = TypeVar("_Item")


@dataclass(frozen=True, slots=True)
class GeneratorTexts:
    """What a generator is trained and measured on.

    Attributes:
        training: at least one.
        development: at least one, none of the training's.
        recipe: template, instruction and system message, as they will be served.
    """

    training: tuple[TrainingText, ...]
    development: tuple[TrainingText, ...]
    recipe: GeneratorRecipe


def read_generator_texts(
    settings: DistilGeneratorSettings, recipe: GeneratorRecipe, corpus: Sequence[Passage] = ()
) -> GeneratorTexts:
    """The texts that the settings name, or else the passages of the corpus.

    Args:
        settings: names files of texts.
        recipe: the generator's table.
        corpus: passages, learned as they stand where no file is named.

    Raises:
        CorpusError: a file cannot be read, or a row is wrong.
        ValueError: there are fewer than two texts, or a teacher that shall answer is asked nothing, or there
            is no answer to measure the student by.
    """
    seed = settings.training.seed
    texts = [
        text
        for path in settings.texts
        for text in read_training_texts(path, passages=settings.passages, seed=seed)
    ] or [_of_passage(passage) for passage in corpus]
    development = [
        text
        for path in settings.development
        for text in read_training_texts(path, passages=settings.passages, seed=seed)
    ]
    if not development:
        texts, development = _split(texts, settings.development_share)
    if not texts or not development:
        raise ValueError(
            f"texts gives {len(texts)} to train on and {len(development)} to measure on; allowed: at least "
            "one each, in files or in the corpus"
        )
    if settings.answers == "teacher":
        _check_asked(texts, development)
    return GeneratorTexts(tuple(texts), tuple(development), recipe)


def _check_asked(texts: Sequence[TrainingText], development: Sequence[TrainingText]) -> None:
    """A teacher answers the training's prompts alone, and only after hours; say now what it would lack."""
    if all(text.prompt is None and text.question is None for text in texts):
        raise ValueError(
            f"texts gives {len(texts)} texts, none with a prompt or question; allowed with "
            'answers = "teacher": files of prompts or questions, which it can answer'
        )
    if not any((text.answer or "").strip() for text in development):
        raise ValueError(
            f"development: none of {len(development)} texts to measure on has an answer; allowed with "
            'answers = "teacher": files of prompts or questions with their answers in development'
        )


def _of_passage(passage: Passage) -> TrainingText:
    text = f"{passage.title}\n{passage.text}" if passage.title else passage.text
    return TrainingText(text, name=passage.id)


def _split(items: Sequence[_Item], share: float) -> tuple[list[_Item], list[_Item]]:
    """The items without a share that lies evenly among them, at least one where there are two; and these."""
    count = max(round(len(items) * share), 1) if len(items) > 1 else 0
    taken = spread_places(len(items), count)
    left = set(range(len(items))).difference(taken)
    return [items[place] for place in sorted(left)], [items[place] for place in taken]
