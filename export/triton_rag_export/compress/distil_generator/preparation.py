"""All that a distillation needs before it trains: student, examples, and the teacher's word on them."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from triton_rag_export.compress.distil_generator.batches import Batch, Collator
from triton_rag_export.compress.distil_generator.examples import Example, Examples, TextTokenizer
from triton_rag_export.compress.distil_generator.generator_texts import GeneratorTexts
from triton_rag_export.compress.distil_generator.settings import DistilGeneratorSettings
from triton_rag_export.compress.distil_generator.student import check_vocabularies, student_of_layers
from triton_rag_export.compress.distil_generator.teacher import LiveTeacher, Teacher
from triton_rag_export.compress.distil_generator.teacher_answers import AnswerSearch, teacher_answers
from triton_rag_export.compress.distil_generator.teacher_cache import (
    CachedTeacher,
    CacheInfo,
    make_teacher_cache,
)
from triton_rag_export.compress.training.processes import processes
from triton_rag_export.errors import TrainingError
from triton_rag_export.graph.end_tokens import end_token_ids_of
from triton_rag_export.graph.model_source import (
    ModelSource,
    fingerprint,
    is_encoder_decoder,
    load_causal_model,
    load_encoder_decoder_model,
    load_tokenizer,
    resolve_model,
)

INFLUENCE_EXAMPLES = 64
"""So many examples say which layers turn their rows most."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """What one training or several start from.

    Attributes:
        student: before training; a training takes it, or a copy.
        tokenizer: of the student.
        training: what it learns.
        development: what it is measured on.
        collate: lays examples side by side.
        teacher: soft labels of the training examples; None where the loss has no soft part.
        development_teacher: soft labels of the development examples.
        fingerprint: SHA-256 over the teacher's weights, configuration and tokenizer.
        batch_size: examples measured at a time.
    """

    student: Any
    tokenizer: Any
    training: Examples
    development: Examples
    collate: Collator
    teacher: Teacher | None
    development_teacher: Teacher
    fingerprint: str
    batch_size: int

    def development_batches(self) -> Iterator[Batch]:
        """The development examples in batches."""
        return _batches(self.development.items, self.collate, self.batch_size)


def prepare(
    source: Path, settings: DistilGeneratorSettings, data: GeneratorTexts, workplace: Path
) -> Prepared:
    """Load the teacher, make the student and the examples, and ask the teacher what is asked once.

    Args:
        source: the teacher, a folder or GGUF file.
        settings: of the distillation.
        data: its texts.
        workplace: where answers and soft labels are kept.

    Raises:
        ExportError: a model cannot be read, its vocabulary differs, or what is kept is of another teacher.
        ValueError: a setting does not fit the model; names field, value and what is allowed.
    """
    found = resolve_model(str(source))
    teacher = _load(found)
    tokenizer = load_tokenizer(found)
    _check_positions(teacher, settings.max_tokens)
    slices = settings.training.batch_size // settings.training.slices
    collate = Collator(
        is_encoder_decoder=bool(teacher.config.is_encoder_decoder), pad_token_id=pad_token_id_of(tokenizer)
    )
    asked = _AskedTeacher(teacher, fingerprint(found), collate, settings, workplace, slices)
    training, development = asked.examples(tokenizer, data)
    student, student_tokenizer = _student(teacher, tokenizer, settings, training, collate)
    return Prepared(
        student=student,
        tokenizer=student_tokenizer,
        training=training,
        development=development,
        collate=collate,
        teacher=asked.soft_labels(training) if settings.needs_teacher else None,
        development_teacher=asked.soft_labels(development),
        fingerprint=asked.fingerprint,
        batch_size=slices,
    )


@dataclass(frozen=True, slots=True)
class _AskedTeacher:
    """A teacher in memory, on its device, and where its word is kept."""

    model: Any
    fingerprint: str
    collate: Collator
    settings: DistilGeneratorSettings
    workplace: Path
    batch_size: int

    def __post_init__(self) -> None:
        self.model.requires_grad_(False).to(processes().device)

    def examples(self, tokenizer: Any, data: GeneratorTexts) -> tuple[Examples, Examples]:
        """Those of training and development, with the teacher's answers if the settings say so."""
        settings, config = self.settings, self.model.config
        texts = TextTokenizer(
            tokenizer,
            data.recipe,
            is_encoder_decoder=bool(config.is_encoder_decoder),
            max_tokens=settings.max_tokens,
            answer_tokens=settings.answer_tokens,
            end_token_id=_end_token_id(self.model, tokenizer),
        )
        by_teacher = settings.answers == "teacher"
        training = texts.examples(data.training, without_answers=by_teacher)
        if by_teacher:
            training = self._answered(training, tokenizer)
        development = texts.examples(data.development)
        for name, examples in (("training", training), ("development", development)):
            if not examples.items:
                reasons = ", ".join(f"{count} of {reason}" for reason, count in examples.skipped.items())
                raise TrainingError(f"no text for {name} can be learned ({reasons}); give other texts")
        return training, development

    def _answered(self, prompts: Examples, tokenizer: Any) -> Examples:
        settings = self.settings
        with processes().main_process_first(), self._autocast():
            return teacher_answers(
                self.model,
                prompts,
                self.workplace / f"answers-{prompts.fingerprint[:16]}.jsonl",
                AnswerSearch(
                    settings.answer_tokens, settings.beams, self.batch_size, pad_token_id_of(tokenizer)
                ),
                teacher=self.fingerprint,
            )

    def soft_labels(self, examples: Examples) -> Teacher:
        """Those of some examples: asked each time, or made now and kept."""
        if not self.settings.cached_tokens:
            return LiveTeacher(self.model)
        vocabulary = int(self.model.get_output_embeddings().weight.shape[0])
        info = CacheInfo.of(self.fingerprint, examples, self.settings.cached_tokens, vocabulary)
        folder, state = self.workplace / f"soft-labels-{info.fingerprint[:16]}", processes()
        with self._autocast():
            make_teacher_cache(
                self.model,
                examples.items,
                self.collate,
                info,
                folder,
                batch_size=self.batch_size,
                part=(state.process_index, state.num_processes),
            )
        state.wait_for_everyone()
        return CachedTeacher(folder, info)

    def _autocast(self) -> AbstractContextManager[Any]:
        """The arithmetic of training, so that what is kept is what would be said there."""
        is_half = self.settings.training.precision == "bf16"
        return torch.autocast(self.model.device.type, torch.bfloat16, enabled=is_half)


def pad_token_id_of(tokenizer: Any) -> int:
    """What fills batches: the tokenizer's padding, or else the token that ends a text; it is masked."""
    for token_id in (tokenizer.pad_token_id, tokenizer.eos_token_id):
        if token_id is not None:
            return int(token_id)
    return 0


def _student(
    teacher: Any,
    tokenizer: Any,
    settings: DistilGeneratorSettings,
    training: Examples,
    collate: Collator,
) -> tuple[Any, Any]:
    """The student in training's place, and its tokenizer."""
    if settings.student:
        found = resolve_model(settings.student)
        student, student_tokenizer = _load(found), load_tokenizer(found)
        check_vocabularies(teacher, student, tokenizer, student_tokenizer)
        _check_positions(student, settings.max_tokens)
        return student.to(processes().device), student_tokenizer
    seen = training.items[:: max(len(training.items) // INFLUENCE_EXAMPLES, 1)][:INFLUENCE_EXAMPLES]
    batches = [
        {name: tensor.to(teacher.device) for name, tensor in batch.items()}
        for batch in _batches(seen, collate, 8)
    ]
    student = student_of_layers(teacher, settings.layers, settings.encoder_layers, settings.choose, batches)
    return student.requires_grad_(True), tokenizer


def _batches(items: tuple[Example, ...], collate: Callable[..., Batch], size: int) -> Iterator[Batch]:
    numbered = list(enumerate(items))
    for start in range(0, len(numbered), size):
        yield collate(numbered[start : start + size])


def _load(source: ModelSource) -> Any:
    return load_encoder_decoder_model(source) if is_encoder_decoder(source) else load_causal_model(source)


def _end_token_id(model: Any, tokenizer: Any) -> int:
    ends = end_token_ids_of(model, tokenizer)
    if not ends:
        raise TrainingError("the model knows no token that ends a text; set eos_token_id in its config.json")
    return int(tokenizer.eos_token_id if tokenizer.eos_token_id in ends else min(ends))


def _check_positions(model: Any, max_tokens: int) -> None:
    positions = getattr(model.config, "max_position_embeddings", None)
    if positions is not None and max_tokens > positions:
        raise ValueError(f"max_tokens is {max_tokens}; allowed: 8 to {positions}, the positions of the model")
