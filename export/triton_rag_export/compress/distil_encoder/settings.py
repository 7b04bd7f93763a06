"""How an encoder is distilled, in one frozen value: the recipe's table `[encoder.distil]`."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from triton_rag_export.compress.training import TrainingSettings
from triton_rag_export.compress.training.settings import check_choice, check_range

LOSS_PARTS = ("cosine", "mse", "similarity", "ranking", "labels")
_RANGES: dict[str, tuple[float, float]] = {
    **dict.fromkeys(LOSS_PARTS, (0.0, 1e6)),
    "temperature": (1e-3, 10.0),
    "label_temperature": (1e-3, 10.0),
    "negatives": (0, 1000),
    "max_tokens": (8, 8192),
    **dict.fromkeys(("sentences", "general_texts", "held_out"), (0, 100_000_000)),
    "development_passages": (1, 100_000_000),
    "dropout": (0.0, 0.9),
    "neurons": (0.0, 0.99),
}


@dataclass(frozen=True, slots=True)
class EncoderDistillation:
    """How a student learns a teacher's vectors.

    Attributes:
        layers: how many of the teacher's layers the student keeps (0: half of them, rounded up), or which,
            in ascending order.
        choose: which ones, where `layers` is a number: "spaced" evenly, the first and the last among them, or
            those of the largest "influence".
        neurons: share of the feed-forward neurons of these layers that the student starts without, those of
            the smallest weights; widths that are left are multiples of 16.
        student: instead of layers of the teacher, a model with the same tokenizer, named as in a recipe.
        cosine: weight of one minus the cosine to the teacher's vector.
        mse: weight of the squared distance to the teacher's vector; of vectors of length one that is twice
            the cosine's part.
        similarity: weight of the mean squared error of the similarities between the texts of a batch.
        ranking: weight of the KL divergence from the teacher's ranking of the other texts of the batch and of
            the mined negatives.
        labels: weight of the cross-entropy of the labelled passage among the batch's passages and the mined
            negatives (InfoNCE).
        temperature: of the ranking's softmax over similarities.
        label_temperature: of the labels' softmax over similarities.
        negatives: passages mined for each text, the nearest by the teacher's vectors.
        max_tokens: where texts are cut while training, special tokens included; never above what the teacher
            reads. The student's own limit stays the teacher's.
        dropout: while training.
        freeze_embeddings: whether the embeddings stay the teacher's.
        questions: files of questions (JSON lines with `question`, and `passage_id` or `relevant`).
        development: files of questions that quality is measured on; they are not trained on, even if they
            stand in `questions` too. None: some of the others.
        held_out: how many questions quality is measured with while training: drawn from `development`, or
            taken out of `questions` where no file is named.
        development_passages: how many passages development questions are asked of, the right ones among
            them.
        sentences: how many sentences of the passages are texts of their own.
        texts: files of general text (JSON lines with `id` and `text`), of another kind than the corpus: who
            learns from the corpus alone loses elsewhere.
        python_docs: whether the documentation inside the running Python is general text as well.
        general_texts: how many general texts and sentences of them are drawn.
        training: steps, batches, learning rate.

    Raises:
        ValueError: a value is out of range, or every part of the loss has weight 0.
    """

    layers: int | tuple[int, ...] = 0
    choose: Literal["spaced", "influence"] = "spaced"
    neurons: float = 0.0
    student: str = ""
    cosine: float = 1.0
    mse: float = 0.0
    similarity: float = 20.0
    ranking: float = 0.0
    labels: float = 0.0
    temperature: float = 0.05
    label_temperature: float = 0.05
    negatives: int = 0
    max_tokens: int = 128
    dropout: float = 0.0
    freeze_embeddings: bool = False
    questions: tuple[Path, ...] = ()
    development: tuple[Path, ...] = ()
    held_out: int = 500
    development_passages: int = 1000
    sentences: int = 60_000
    texts: tuple[Path, ...] = ()
    python_docs: bool = True
    general_texts: int = 20_000
    training: TrainingSettings = field(default_factory=TrainingSettings)

    def __post_init__(self) -> None:
        for name, (least, most) in _RANGES.items():
            check_range(name, getattr(self, name), least, most)
        check_choice("choose", self.choose, ("spaced", "influence"))
        _check_layers(self.layers)
        for name in ("layers", "neurons"):
            if self.student and getattr(self, name) != 0:
                raise ValueError(
                    f"{name} is {getattr(self, name)!r}; allowed with student {self.student!r}: 0"
                )
        if not any(self.weights.values()):
            raise ValueError(
                f"{', '.join(LOSS_PARTS)} are all 0; allowed: at least one of them above, to have a loss"
            )

    @property
    def weights(self) -> dict[str, float]:
        """The weight of each part of the loss."""
        return {name: float(getattr(self, name)) for name in LOSS_PARTS}


def _check_layers(layers: Any) -> None:
    is_count = isinstance(layers, int) and not isinstance(layers, bool) and layers >= 0
    is_choice = isinstance(layers, tuple) and layers and all(isinstance(layer, int) for layer in layers)
    if not (is_count or is_choice):
        raise ValueError(f"layers is {layers!r}; allowed: a number from 0, or the layers to keep")
