"""How a generator is distilled, in one frozen value: the table `[generator.distil]` of a recipe."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from triton_rag_export.compress.distil_generator.student import Choice, Layers
from triton_rag_export.compress.training import TrainingSettings
from triton_rag_export.compress.training.settings import check_choice, check_range

MOST_LAYERS = 1000


@dataclass(frozen=True, slots=True)
class DistilGeneratorSettings:
    """How a generator is distilled. The teacher is the model that the step before left.

    Attributes:
        student: name or folder of a model with the teacher's tokenizer; empty: the teacher with fewer layers.
        layers: how many layers stay, of a causal model or of the decoder, 0 being half of them, rounded up;
            or which, in ascending order from 0. Not looked at where a student is named.
        encoder_layers: the same for the encoder.
        choose: which layers stay where a number is given: "spaced" evenly, or of the largest "influence".
        alpha: the share of the hard part of the loss, 0 to 1; at 1 there is no teacher: plain fine-tuning.
        temperature: softens teacher and student in the soft part, 1 to 100.
        answers: "given" by the data, or the "teacher"'s own (sequence-level distillation).
        beams: with which the teacher searches its answers, 1 (greedily) to 32.
        cached_tokens: keep the teacher's soft labels on disk, of so many most probable tokens, and train
            without the teacher in memory; as many as the vocabulary: all. 0: ask the teacher each time.
        max_tokens: of prompt and answer together, or of each with an encoder and a decoder, 8 to 131,072.
        answer_tokens: the longest answer, 1 to less than `max_tokens`; longer ones are cut.
        passages: how many go into a question's prompt, 1 to 20, the right one among them.
        development: files of texts to measure the student on, beside the training's.
        texts: files of training texts; none: the corpus's passages.
        development_share: of the training texts, where `development` names no file, 0.001 to 0.5.
        training: steps, batch, learning rate and so on.

    Raises:
        ValueError: a value is out of range; names field, value and what is allowed.
    """

    student: str = ""
    layers: Layers = 0
    encoder_layers: Layers = 0
    choose: Choice = "spaced"
    alpha: float = 0.5
    temperature: float = 2.0
    answers: Literal["given", "teacher"] = "given"
    beams: int = 1
    cached_tokens: int = 0
    max_tokens: int = 512
    answer_tokens: int = 128
    passages: int = 1
    texts: tuple[Path, ...] = ()
    development: tuple[Path, ...] = ()
    development_share: float = 0.05
    training: TrainingSettings = field(default_factory=TrainingSettings)

    def __post_init__(self) -> None:
        check_range("alpha", self.alpha, 0, 1)
        check_range("temperature", self.temperature, 1, 100)
        check_range("beams", self.beams, 1, 32)
        check_range("cached_tokens", self.cached_tokens, 0, 10_000_000)
        check_range("max_tokens", self.max_tokens, 8, 131_072)
        check_range("answer_tokens", self.answer_tokens, 1, self.max_tokens - 1)
        check_range("passages", self.passages, 1, 20)
        check_range("development_share", self.development_share, 0.001, 0.5)
        check_choice("choose", self.choose, ("spaced", "influence"))
        check_choice("answers", self.answers, ("given", "teacher"))
        for name in ("layers", "encoder_layers"):
            check_layers(name, getattr(self, name))

    @property
    def needs_teacher(self) -> bool:
        """Whether there is a soft part."""
        return self.alpha < 1


def check_layers(name: str, layers: Layers) -> None:
    """Refuse what can be neither a number of layers nor a list of them.

    Raises:
        ValueError: names field, value and what is allowed.
    """
    if isinstance(layers, Sequence) and not isinstance(layers, str):
        are_numbers = all(isinstance(layer, int) and not isinstance(layer, bool) for layer in layers)
        if not layers or not are_numbers or sorted(set(layers)) != list(layers) or layers[0] < 0:
            raise ValueError(f"{name} is {list(layers)}; allowed: layers from 0, in ascending order")
    else:
        check_range(name, layers, 0, MOST_LAYERS)
