"""What distillation is for: of few labels that err, a student learns less than of its teacher."""

from dataclasses import replace
from pathlib import Path

from export.compress.toy_task import (
    ANSWER_TOKENS,
    MAX_TOKENS,
    RECIPE,
    accuracy,
    codes,
    labelled,
    save_untrained_t5,
)
from triton_rag_export.compress.distil_generator import (
    DistilGeneratorSettings,
    GeneratorTexts,
    distil_generator,
)
from triton_rag_export.compress.training import TrainingSettings
from triton_rag_export.graph.model_source import load_encoder_decoder_model, load_tokenizer, resolve_model

ERROR_RATE = 0.3
TEACHERS_LABELS, STUDENTS_LABELS = 6400, 100
TRAINING = TrainingSettings(
    steps=120, batch_size=50, learning_rate=3e-3, schedule="linear", checkpoint_every=0
)
SETTINGS = DistilGeneratorSettings(
    alpha=1.0,
    layers=2,
    encoder_layers=2,
    max_tokens=MAX_TOKENS,
    answer_tokens=ANSWER_TOKENS,
    training=TRAINING,
)


def held_out_accuracy(folder: Path, held_out: list[str]) -> float:
    source = resolve_model(str(folder))
    return accuracy(load_encoder_decoder_model(source), load_tokenizer(source), held_out)


def test_a_student_learns_more_from_a_teacher_than_from_the_same_labels_alone(tmp_path: Path) -> None:
    everything = codes()
    learned, held_out = everything[:800], everything[800:]
    measured = labelled(held_out, ERROR_RATE, seed=2)
    many = labelled(learned * (TEACHERS_LABELS // len(learned)), ERROR_RATE, seed=1)
    few = labelled(learned[:STUDENTS_LABELS], ERROR_RATE, seed=3)

    untrained = save_untrained_t5(tmp_path / "untrained", layers=2)
    data = GeneratorTexts(many, measured, RECIPE)
    distil_generator(untrained, tmp_path / "teacher", SETTINGS, data=data, workplace=tmp_path / "1")
    student = save_untrained_t5(tmp_path / "small", layers=1, width=32, seed=5)
    accuracies = {"teacher": held_out_accuracy(tmp_path / "teacher", held_out)}
    for name, alpha in (("labels", 1.0), ("teacher and labels", 0.2)):
        settings = replace(SETTINGS, student=str(student), alpha=alpha, temperature=1.0)
        data = GeneratorTexts(few, measured, RECIPE)
        distil_generator(
            tmp_path / "teacher", tmp_path / name, settings, data=data, workplace=tmp_path / f"of {name}"
        )
        accuracies[name] = held_out_accuracy(tmp_path / name, held_out)

    print(accuracies)
    assert accuracies["teacher"] > 0.95
    assert accuracies["teacher and labels"] > accuracies["labels"] + 0.1
