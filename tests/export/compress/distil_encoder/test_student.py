"""Students of a teacher's layers, and other models."""

import json
from pathlib import Path

import pytest
import torch
from export.compress.distil_encoder.tiny_data import tiny_teacher
from transformers import AutoModel
from triton_rag_export.compress.distil_encoder import EncoderDistillation, TorchEncoder
from triton_rag_export.compress.distil_encoder.student import layer_influence, make_student
from triton_rag_export.errors import UnsupportedModelError
from triton_rag_export.graph.model_source import ModelSource, resolve_model

BATCH = {"input_ids": torch.tensor([[0, 9, 8, 2]]), "attention_mask": torch.tensor([[1, 1, 1, 1]])}


@pytest.fixture
def source(tmp_path: Path) -> ModelSource:
    """A teacher of four layers, the second of which adds almost nothing."""
    folder = tiny_teacher(tmp_path / "teacher")
    model = AutoModel.from_pretrained(folder)
    layers = model.encoder.layer
    layers.extend(type(layers[0])(model.config) for _ in range(2))
    model.config.num_hidden_layers = 4
    for linear in (layers[1].attention.output.dense, layers[1].output.dense):
        torch.nn.init.zeros_(linear.weight)
        torch.nn.init.zeros_(linear.bias)
    for norm in (layers[1].attention.output.LayerNorm, layers[1].output.LayerNorm):
        torch.nn.init.ones_(norm.weight)
        torch.nn.init.zeros_(norm.bias)
    model.save_pretrained(folder)
    return resolve_model(str(folder))


def student_of(source: ModelSource, **changes: object) -> TorchEncoder:
    settings = EncoderDistillation(**changes)  # type: ignore[arg-type]
    return make_student(TorchEncoder.load(source), source, settings, [BATCH])


def first_weights(encoder: TorchEncoder) -> list[torch.Tensor]:
    return [layer.output.dense.weight for layer in encoder.transformer.encoder.layer]


@pytest.mark.parametrize(
    ("changes", "kept"),
    [
        ({}, [0, 3]),
        ({"layers": 3}, [0, 2, 3]),
        ({"layers": (1, 2)}, [1, 2]),
        ({"layers": 4}, [0, 1, 2, 3]),
        ({"layers": 3, "choose": "influence"}, [0, 2, 3]),
    ],
)
def test_the_layers_that_stay(source: ModelSource, changes: dict[str, object], kept: list[int]) -> None:
    teacher = first_weights(TorchEncoder.load(source))

    student = student_of(source, **changes)

    assert student.transformer.config.num_hidden_layers == len(kept)
    for own, layer in zip(first_weights(student), kept, strict=True):
        assert torch.equal(own, teacher[layer])


def test_a_layer_that_adds_nothing_has_no_influence(source: ModelSource) -> None:
    influence = layer_influence(TorchEncoder.load(source), [BATCH])

    assert min(influence) == influence[1]
    assert influence[1] < 0.05 < influence[0]


def test_a_student_starts_without_the_neurons_of_the_smallest_weights(source: ModelSource) -> None:
    teacher = TorchEncoder.load(source).transformer.encoder.layer[3]
    writers, readers = teacher.intermediate.dense.weight, teacher.output.dense.weight  # 37 neurons
    largest = (writers.abs().sum(1) + readers.abs().sum(0)).topk(16).indices.sort().values

    student = student_of(source, layers=(0, 3), neurons=0.5).transformer

    assert torch.equal(student.encoder.layer[1].intermediate.dense.weight, writers[largest])
    assert torch.equal(student.encoder.layer[1].output.dense.weight, readers[:, largest])


def test_neurons_of_another_model_are_not_cut() -> None:
    with pytest.raises(ValueError, match=r"neurons is 0\.5; allowed with student 'other': 0"):
        EncoderDistillation(student="other", neurons=0.5)


@pytest.mark.parametrize("layers", [(2, 1), (0, 4), 5])
def test_layers_that_are_not_there_are_refused(source: ModelSource, layers: object) -> None:
    with pytest.raises(ValueError, match=r"allowed: (some of 0 to 3, in ascending order|1 to 4)"):
        student_of(source, layers=layers)


def test_a_model_of_another_width_gets_a_projection(source: ModelSource, tmp_path: Path) -> None:
    narrow = tiny_teacher(tmp_path / "narrow", width=18)

    student = student_of(source, student=str(narrow))

    assert student.width == 30
    vectors = student(BATCH["input_ids"], BATCH["attention_mask"])
    assert vectors.shape == (1, 30)
    assert student.text == TorchEncoder.load(source).text


def test_another_vocabulary_is_refused_with_both_sizes(source: ModelSource, tmp_path: Path) -> None:
    other = tiny_teacher(tmp_path / "other")
    path = other / "tokenizer.json"
    content = json.loads(path.read_text())
    del content["model"]["vocab"]["a"]
    path.write_text(json.dumps(content))

    with pytest.raises(UnsupportedModelError, match=r"has 260 tokens .* 259 tokens"):
        student_of(source, student=str(other))


def test_embeddings_can_be_left_alone_and_dropout_is_as_set(source: ModelSource) -> None:
    student = student_of(source, freeze_embeddings=True, dropout=0.3)

    assert not student.transformer.embeddings.word_embeddings.weight.requires_grad
    assert student.transformer.encoder.layer[0].output.dense.weight.requires_grad
    assert {module.p for module in student.modules() if isinstance(module, torch.nn.Dropout)} == {0.3}
