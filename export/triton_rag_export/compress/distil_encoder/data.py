"""What an encoder is distilled on: texts, and which passage answers which question.

Texts are all that the student shall see as the teacher does: questions, passages, single sentences, and
other text of the kind that queries and passages may be one day. Titles count: passages are given as they are
indexed.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from triton_rag_export.errors import TrainingError

_SENTENCE_END = re.compile(r"(?<=[.!?])\s+")
SHORTEST_SENTENCE_WORDS = 5


@dataclass(frozen=True, slots=True)
class Development:
    """Questions that are not trained on.

    Attributes:
        questions: the questions.
        passages: what they are to be found in.
        answers: for each question, the place of its passage.
    """

    questions: Sequence[str]
    passages: Sequence[str]
    answers: Sequence[int]

    def __post_init__(self) -> None:
        if not self.questions or len(self.answers) != len(self.questions):
            raise TrainingError(
                f"development data has {len(self.questions)} questions and {len(self.answers)} answers; give "
                "at least one question, and an answer for each"
            )
        _refuse_outside(self.answers, len(self.passages), "development answers")


@dataclass(frozen=True, slots=True)
class DistillationData:
    """Texts and labels.

    Attributes:
        queries: texts as they are asked; they get the encoder's query prefix.
        passages: texts as they are indexed; they get its passage prefix. Negatives are mined among them.
        others: further texts, which get no prefix.
        pairs: places of a query and of a passage that answers it.
        development: what quality is measured on; None: it is not.

    Raises:
        TrainingError: a text is empty, or a pair names one that is not there.
    """

    queries: Sequence[str] = ()
    passages: Sequence[str] = ()
    others: Sequence[str] = ()
    pairs: Sequence[tuple[int, int]] = ()
    development: Development | None = field(default=None)

    def __post_init__(self) -> None:
        for name in ("queries", "passages", "others"):
            empty = [place for place, text in enumerate(getattr(self, name)) if not text.strip()]
            if empty:
                listed = ", ".join(map(str, empty[:10]))
                raise TrainingError(
                    f"{len(empty)} of {name} are empty, at {listed}; take them out, or give them text"
                )
        _refuse_outside([query for query, _ in self.pairs], len(self.queries), "queries of pairs")
        _refuse_outside([passage for _, passage in self.pairs], len(self.passages), "passages of pairs")


def sentences(texts: Iterable[str]) -> Iterator[str]:
    """The sentences of texts, each once, without those of a few words."""
    seen = set()
    for text in texts:
        for line in text.splitlines():
            for sentence in _SENTENCE_END.split(line):
                sentence = sentence.strip()
                if len(sentence.split()) >= SHORTEST_SENTENCE_WORDS and sentence not in seen:
                    seen.add(sentence)
                    yield sentence


def _refuse_outside(places: Iterable[int], count: int, name: str) -> None:
    outside = [place for place in places if not 0 <= place < count]
    if outside:
        raise TrainingError(f"{name} name {outside[0]}; allowed: 0 to {count - 1}")
