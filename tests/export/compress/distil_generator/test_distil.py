"""Distillation from folder to folder: what comes out loads, is smaller, and is nearer to its teacher."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from export.compress.distil_generator.small_distillation import (
    RECIPE,
    SETTINGS,
    TRAINING,
    save_teacher,
    write_texts,
)
from tiny_encoders import byte_tokenizer
from transformers import AutoModelForCausalLM
from triton_rag_export.compress.distil_generator import (
    DistilGeneratorSettings,
    GeneratorTexts,
    distil_generator,
    read_generator_texts,
)
from triton_rag_export.errors import TrainingError, UnsupportedModelError
from triton_rag_export.graph.model_source import (
    load_causal_model,
    load_encoder_decoder_model,
    load_tokenizer,
    resolve_model,
)


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> GeneratorTexts:
    path = write_texts(tmp_path_factory.mktemp("texts") / "texts.jsonl")
    return read_generator_texts(replace(SETTINGS, texts=(path,)), RECIPE)


@pytest.mark.parametrize("family", ["llama", "t5"])
def test_a_student_of_half_the_layers_nears_its_teacher(tmp_path: Path, texts, family: str) -> None:
    teacher, seen = save_teacher(tmp_path / "teacher", family), []
    settings = replace(SETTINGS, training=replace(TRAINING, evaluate_every=4))

    outcome = distil_generator(
        teacher, tmp_path / "student", settings, data=texts, workplace=tmp_path / "work", report=seen.append
    )

    qualities = [progress.quality for progress in seen if progress.quality is not None]
    assert qualities == sorted(qualities)
    assert outcome.best_quality == qualities[-1]
    assert set(seen[0].loss_parts) == {"hard", "soft"}
    assert seen[0].loss == pytest.approx(0.2 * seen[0].loss_parts["hard"] + 0.8 * seen[0].loss_parts["soft"])
    source = resolve_model(str(tmp_path / "student"))
    load = load_encoder_decoder_model if family == "t5" else load_causal_model
    student = load(source)
    assert load_tokenizer(source).get_vocab() == load_tokenizer(resolve_model(str(teacher))).get_vocab()
    counts = ("num_layers", "num_decoder_layers") if family == "t5" else ("num_hidden_layers",)
    assert [getattr(student.config, count) for count in counts] == ([1, 1] if family == "t5" else [2])
    assert "KL" in outcome.notes[-1]


def distilled(folder: Path, name: str, texts: GeneratorTexts, settings: DistilGeneratorSettings) -> Any:
    """Losses of all steps, and the student's weights."""
    seen: list[Any] = []
    distil_generator(
        folder / "teacher", folder / name, settings, data=texts, workplace=folder / "w", report=seen.append
    )
    model = AutoModelForCausalLM.from_pretrained(folder / name)
    return torch.tensor([progress.loss for progress in seen]), model.state_dict()


def test_training_from_the_cache_is_training_beside_the_teacher(tmp_path: Path, texts) -> None:
    save_teacher(tmp_path / "teacher")
    live, weights = distilled(tmp_path, "live", texts, SETTINGS)

    every_token, same_weights = distilled(tmp_path, "all", texts, replace(SETTINGS, cached_tokens=10_000))
    some_tokens, _ = distilled(tmp_path, "some", texts, replace(SETTINGS, cached_tokens=100))

    torch.testing.assert_close(every_token, live, rtol=1e-4, atol=1e-5)
    for name, tensor in weights.items():
        torch.testing.assert_close(same_weights[name], tensor, rtol=1e-3, atol=1e-4)
    assert not torch.equal(some_tokens, live)
    torch.testing.assert_close(some_tokens, live, rtol=0.15, atol=0)


def test_a_cache_is_made_once_for_all_students(tmp_path: Path, texts) -> None:
    save_teacher(tmp_path / "teacher")
    settings = replace(SETTINGS, cached_tokens=8, training=replace(TRAINING, steps=1))
    distilled(tmp_path, "one", texts, settings)
    stamps = {path: path.stat().st_mtime_ns for path in (tmp_path / "w").rglob("labels-*.safetensors")}
    assert len(stamps) == 2  # training and development
    distilled(tmp_path, "two", texts, replace(settings, layers=3, temperature=4.0))
    found = {path: path.stat().st_mtime_ns for path in (tmp_path / "w").rglob("labels-*.safetensors")}
    assert found == stamps


def test_a_student_learns_the_teachers_own_answers(tmp_path: Path, texts) -> None:
    save_teacher(tmp_path / "teacher")
    settings = replace(SETTINGS, answers="teacher", answer_tokens=4, training=replace(TRAINING, steps=2))
    outcome = distil_generator(
        tmp_path / "teacher", tmp_path / "student", settings, data=texts, workplace=tmp_path / "work"
    )
    (answers,) = (tmp_path / "work").glob("answers-*.jsonl")
    assert len(answers.read_text(encoding="utf-8").splitlines()) == 1 + len(texts.training)
    assert "training: 51 examples" in outcome.notes[0]


def test_without_a_soft_part_it_is_fine_tuning(tmp_path: Path, texts) -> None:
    teacher, seen = save_teacher(tmp_path / "teacher"), []
    settings = replace(SETTINGS, alpha=1.0, layers=4)
    distil_generator(
        teacher, tmp_path / "tuned", settings, data=texts, workplace=tmp_path / "work", report=seen.append
    )
    assert set(seen[0].loss_parts) == {"hard"}
    assert seen[-1].loss < seen[0].loss
    assert load_causal_model(resolve_model(str(tmp_path / "tuned"))).config.num_hidden_layers == 4


def test_a_named_student_needs_the_teachers_vocabulary(tmp_path: Path, texts) -> None:
    teacher = save_teacher(tmp_path / "teacher")
    same = save_teacher(tmp_path / "same", num_hidden_layers=1, hidden_size=16)
    settings = replace(SETTINGS, student=str(same), training=replace(TRAINING, steps=1))
    distil_generator(teacher, tmp_path / "out", settings, data=texts, workplace=tmp_path / "work")
    assert load_causal_model(resolve_model(str(tmp_path / "out"))).config.hidden_size == 16

    other = save_teacher(tmp_path / "other", vocab_size=300)
    settings = replace(settings, student=str(other))
    with pytest.raises(UnsupportedModelError, match=r"teacher has 260 logits .* student 300 logits"):
        distil_generator(teacher, tmp_path / "out", settings, data=texts, workplace=tmp_path / "work")


def test_a_loss_that_is_no_number_names_the_lines_that_it_comes_from(tmp_path: Path, texts) -> None:
    folder = save_teacher(tmp_path / "teacher")
    model = AutoModelForCausalLM.from_pretrained(folder)
    model.model.embed_tokens.weight.data[byte_tokenizer().token_to_id("k")] = float("nan")
    model.save_pretrained(folder)
    with pytest.raises(TrainingError, match=r"not a finite number .* batch of .*texts\.jsonl:\d+"):
        distil_generator(folder, tmp_path / "out", SETTINGS, data=texts, workplace=tmp_path / "work")
    assert not (tmp_path / "out").exists()


def test_half_precision_trains_on_this_processor(tmp_path: Path, texts) -> None:
    save_teacher(tmp_path / "teacher")
    full, _ = distilled(tmp_path, "full", texts, SETTINGS)
    half = replace(SETTINGS, training=replace(TRAINING, precision="bf16"))
    found, weights = distilled(tmp_path, "half", texts, half)
    assert not torch.equal(found, full)
    torch.testing.assert_close(found, full, rtol=0.1, atol=0)
    assert all(tensor.dtype == torch.float32 for tensor in weights.values())


def test_texts_that_nothing_can_be_learned_from_are_refused(tmp_path: Path, texts) -> None:
    folder = save_teacher(tmp_path / "teacher")
    empty = replace(texts, training=tuple(replace(text, answer="") for text in texts.training))
    with pytest.raises(TrainingError, match=r"no text for training can be learned \(51 of an empty answer\)"):
        distil_generator(folder, tmp_path / "out", SETTINGS, data=empty, workplace=tmp_path / "work")


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"alpha": 1.5}, "alpha is 1.5; allowed: 0 to 1"),
        ({"temperature": 0.5}, "temperature is 0.5; allowed: 1 to 100"),
        ({"answer_tokens": 64}, "answer_tokens is 64; allowed: 1 to 63"),
        ({"answers": "mine"}, "answers is 'mine'; allowed: given, teacher"),
        ({"layers": (2, 1)}, r"layers is \[2, 1\]; allowed: layers from 0, in ascending order"),
        ({"encoder_layers": -1}, "encoder_layers is -1; allowed: 0 to 1000"),
    ],
)
def test_settings_out_of_range_are_refused(setting: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(SETTINGS, **setting)


def test_more_tokens_than_positions_are_refused(tmp_path: Path, texts) -> None:
    folder = save_teacher(tmp_path / "teacher", max_position_embeddings=32)
    with pytest.raises(ValueError, match="max_tokens is 64; allowed: 8 to 32, the positions of the model"):
        distil_generator(folder, tmp_path / "out", SETTINGS, data=texts, workplace=tmp_path / "work")


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (
            [{"prompt": f"say {number}"} for number in range(10)],
            r"development: none of 2 texts to measure on has an answer; allowed with answers = \"teacher\"",
        ),
        (
            [{"text": f"number {number}"} for number in range(10)],
            r"texts gives 8 texts, none with a prompt or question; allowed with answers = \"teacher\": files",
        ),
    ],
    ids=["no answers", "no prompts"],
)
def test_what_a_teacher_that_answers_lacks_is_said_before_it_is_loaded(
    tmp_path: Path, rows: list[dict[str, str]], message: str
) -> None:
    path = tmp_path / "texts.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(ValueError, match=message):
        read_generator_texts(replace(SETTINGS, texts=(path,), answers="teacher"), RECIPE)
