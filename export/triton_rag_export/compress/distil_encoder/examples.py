"""Examples of a distillation: single texts, and labelled pairs, with what the teacher makes of them."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from triton_rag_export.compress.distil_encoder.data import DistillationData
from triton_rag_export.compress.distil_encoder.settings import EncoderDistillation
from triton_rag_export.compress.distil_encoder.teacher_vectors import Vectors, nearest
from triton_rag_export.compress.distil_encoder.token_texts import TokenTexts, padded
from triton_rag_export.compress.training import TrainingData
from triton_rag_export.errors import TrainingError

Example = tuple[int, ...]
"""The row of a text, or those of a query and of a passage that answers it."""


@dataclass(frozen=True, slots=True)
class ExampleSource:
    """All texts, by rows, and what is known of them.

    Attributes:
        texts: their tokens.
        vectors: the teacher's, (texts, width).
        negatives: rows of passages mined for each query, (queries, mined).
        right: rows of the passages that answer a query, by its row.
        pad_id: the padding token.
    """

    texts: TokenTexts
    vectors: Vectors
    negatives: npt.NDArray[np.int64]
    right: dict[int, set[int]]
    pad_id: int

    def collate(self, examples: Sequence[Example]) -> dict[str, torch.Tensor]:
        """A batch as `distillation_loss` wants it."""
        rows = [row for example in examples for row in example]
        mined = np.zeros((len(rows), self.negatives.shape[1]), dtype=np.int64)
        is_query = np.array([row < len(self.negatives) for row in rows])
        mined[is_query] = self.negatives[[row for row in rows if row < len(self.negatives)]]
        starts = np.cumsum([0, *map(len, examples)])
        pairs = [number for number, example in enumerate(examples) if len(example) == 2]
        passages = [examples[number][1] for number in pairs]
        is_right = [[passage in self.right[examples[number][0]] for passage in passages] for number in pairs]
        return {
            **padded([self.texts.ids[row] for row in rows], self.pad_id),
            "teacher": torch.from_numpy(self.vectors[rows]),
            "negatives": torch.from_numpy(self.vectors[mined]),
            "is_mined": torch.from_numpy(is_query),
            "query": torch.from_numpy(starts[pairs]),
            "passage": torch.from_numpy(starts[pairs] + 1),
            "is_right": torch.tensor(is_right, dtype=torch.bool).reshape(len(pairs), len(pairs)),
        }


def training_data(
    data: DistillationData, texts: TokenTexts, vectors: Vectors, settings: EncoderDistillation, pad_id: int
) -> TrainingData[Example]:
    """Every text is an example of its own; with a weight on labels, the texts of pairs come as pairs.

    Raises:
        TrainingError: more negatives than there are passages, or labels without pairs.
    """
    right: dict[int, set[int]] = defaultdict(set)
    for query, passage in data.pairs:
        right[query].add(texts.queries + passage)
    if settings.labels and not data.pairs:
        raise TrainingError(f"labels is {settings.labels:g}; allowed without labelled pairs: 0")
    source = ExampleSource(
        texts, vectors, _negatives(texts, vectors, right, settings.negatives), right, pad_id
    )
    pairs = [(query, texts.queries + passage) for query, passage in data.pairs] if settings.labels else []
    in_pairs = {row for pair in pairs for row in pair}
    examples: list[Example] = [*pairs, *((row,) for row in range(len(texts.ids)) if row not in in_pairs)]
    return TrainingData(
        examples,
        source.collate,
        ids=["+".join(_name(texts, row) for row in example) for example in examples],
        lengths=[sum(len(texts.ids[row]) for row in example) for example in examples],
    )


def _negatives(
    texts: TokenTexts, vectors: Vectors, right: dict[int, set[int]], count: int
) -> npt.NDArray[np.int64]:
    """Rows of the passages that the teacher finds nearest to each query and that do not answer it."""
    most = texts.passages - max(map(len, right.values()), default=0)
    if count > most:
        raise TrainingError(
            f"negatives is {count}; allowed: at most {most}, as many passages as answer no question"
        )
    if not count:
        return np.zeros((texts.queries, 0), dtype=np.int64)
    first = texts.queries
    answers = [{row - first for row in right.get(query, ())} for query in range(texts.queries)]
    passages = vectors[first : first + texts.passages]
    return nearest(vectors[:first], passages, count, answers) + first


def _name(texts: TokenTexts, row: int) -> str:
    """By which an error speaks of a text."""
    if row < texts.queries:
        return f"query {row}"
    row -= texts.queries
    return f"passage {row}" if row < texts.passages else f"other {row - texts.passages}"
