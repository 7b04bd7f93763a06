"""A distillation from folder to folder: it brings the student nearer, is served, and says what it took."""

from pathlib import Path

import numpy as np
import pytest
from export.compress.distil_encoder.tiny_data import (
    OTHERS,
    PAIRS,
    PASSAGES,
    QUERIES,
    tiny_data,
    tiny_teacher,
    tiny_training,
)
from query_encoding import QueryEncoder
from query_tokenization import QueryTokenizer
from triton_rag_export.compress.distil_encoder import DistillationData, EncoderDistillation, TorchEncoder, run
from triton_rag_export.compress.distil_encoder.token_texts import TextTokenizer, TokenTexts, encoded
from triton_rag_export.compress.outcome import Progress
from triton_rag_export.errors import TrainingError
from triton_rag_export.graph.encoder import EncoderExport, export_encoder
from triton_rag_export.graph.encoder_settings import TextSettings
from triton_rag_export.graph.model_source import resolve_model

TEXTS = [*QUERIES, *PASSAGES, *OTHERS]


def vectors(folder: Path) -> np.ndarray:
    source = resolve_model(str(folder))
    encoder = TorchEncoder.load(source).eval()
    tokenizer = TextTokenizer(source, encoder.text, encoder.text.max_tokens)
    return encoded(encoder, tokenizer.encode(TEXTS), tokenizer.pad_id)


def test_a_student_comes_near_its_teacher_and_is_exported(tmp_path: Path) -> None:
    teacher, seen = tiny_teacher(tmp_path / "teacher"), list[Progress]()
    settings = EncoderDistillation(layers=1, neurons=0.5, ranking=0.5, negatives=3, training=tiny_training())

    outcome = run(
        teacher, tmp_path / "student", settings,
        data=tiny_data(), workplace=tmp_path / "work", report=seen.append,
    )  # fmt: skip

    assert [(each.preparing, each.step, each.steps) for each in seen if each.preparing] == [
        ("texts embedded by the teacher", 40, 40)
    ]
    assert set(seen[1].loss_parts) == {"cosine", "similarity", "ranking"}
    assert seen[-1].loss < 0.3 * seen[1].loss
    cosines = (vectors(tmp_path / "student") * vectors(teacher)).sum(axis=1)
    assert cosines.mean() > 1 - 1.5 * seen[-1].loss_parts["cosine"]
    assert outcome.best_quality == seen[-1].quality
    assert outcome.examples == 60 * 8
    assert outcome.training_flops > 0
    assert outcome.notes == ("1 layers", "40 texts", "loss cosine × 1 + similarity × 20 + ranking × 0.5")
    (tmp_path / "graph").mkdir()
    report = export_encoder(resolve_model(str(tmp_path / "student")), EncoderExport(), tmp_path / "graph")
    assert (report.built_by, report.max_tokens) == ("hand", 40)
    student = TorchEncoder.load(resolve_model(str(tmp_path / "student"))).transformer
    assert student.encoder.layer[0].intermediate.dense.out_features == 16  # of 37


ASKED = EncoderExport(
    pooling="cls", normalize=False, query_prefix="ask: ", passage_prefix="told: ", max_tokens=24
)


def test_a_student_learns_texts_as_they_will_be_served(tmp_path: Path) -> None:
    source = tiny_teacher(tmp_path / "teacher")
    settings = EncoderDistillation(layers=2, mse=1.0, training=tiny_training(steps=1, learning_rate=1e-9))
    run(
        source, tmp_path / "student", settings, data=tiny_data(), workplace=tmp_path / "work", export=ASKED
    )  # fmt: skip

    student = TorchEncoder.load(resolve_model(str(tmp_path / "student"))).eval()
    assert student.text == TextSettings("cls", False, 24, False, "ask: ", "told: ")
    (tmp_path / "graph").mkdir()
    export_encoder(resolve_model(str(source)), ASKED, tmp_path / "graph")
    asked = QueryTokenizer.load(tmp_path / "graph").encode_texts([f"ask: {query}" for query in QUERIES])
    served = QueryEncoder.load(tmp_path / "graph").encode_ragged(asked)
    taught = TextTokenizer(resolve_model(str(source)), student.text, 24)
    own = encoded(student, TokenTexts.of(tiny_data(), taught).ids[: len(QUERIES)], taught.pad_id)
    np.testing.assert_allclose(own, served, atol=1e-4)


def test_labels_teach_what_the_teacher_does_not_know(tmp_path: Path) -> None:
    """Of random weights, the teacher finds few of the passages."""
    teacher = tiny_teacher(tmp_path / "teacher")
    quality = {}
    for labels in (0.0, 3.0):
        settings = EncoderDistillation(
            layers=1, labels=labels, cosine=0.2, similarity=0.0, negatives=2, training=tiny_training(steps=80)
        )
        outcome = run(
            teacher,
            tmp_path / f"{labels}",
            settings,
            data=tiny_data(pairs=PAIRS),
            workplace=tmp_path / "work",
        )
        quality[labels] = outcome.best_quality

    assert quality[0.0] < 0.7
    assert quality[3.0] > 0.95


def test_the_teachers_vectors_are_computed_once_for_the_same_texts(tmp_path: Path) -> None:
    teacher = tiny_teacher(tmp_path / "teacher")

    def distil(data: DistillationData, name: str) -> dict[str, int]:
        settings = EncoderDistillation(training=tiny_training(steps=2))
        workplace, kept = tmp_path / f"{name}-work", tmp_path / "vectors"
        run(teacher, tmp_path / name, settings, data=data, workplace=workplace, vectors=kept)
        return {path.name: path.stat().st_mtime_ns for path in kept.glob("*.npy")}

    first = distil(tiny_data(), "one")
    assert len(first) == 1
    assert distil(tiny_data(), "two") == first
    assert len(distil(tiny_data(others=OTHERS[:20]), "three")) == 2


def test_an_interrupted_run_goes_on_to_the_same_student(tmp_path: Path) -> None:
    teacher = tiny_teacher(tmp_path / "teacher")
    settings = EncoderDistillation(dropout=0.1, training=tiny_training(steps=20, checkpoint_every=8))

    def stop(progress: Progress) -> None:
        if progress.step == 11:
            raise KeyboardInterrupt

    run(teacher, tmp_path / "whole", settings, data=tiny_data(), workplace=tmp_path / "one")
    with pytest.raises(KeyboardInterrupt):
        run(teacher, tmp_path / "target", settings, data=tiny_data(), workplace=tmp_path / "two", report=stop)
    assert not (tmp_path / "target").exists()
    run(teacher, tmp_path / "target", settings, data=tiny_data(), workplace=tmp_path / "two")

    weights = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("whole", "target")]
    assert weights[0] == weights[1]


@pytest.mark.parametrize(
    ("changes", "settings", "message"),
    [
        ({"others": ["a text", " "]}, {}, "1 of others are empty, at 1; take them out"),
        ({"pairs": [(0, 8)]}, {}, "passages of pairs name 8; allowed: 0 to 7"),
        ({}, {"labels": 1.0}, "labels is 1; allowed without labelled pairs: 0"),
        ({"pairs": PAIRS}, {"negatives": 8}, "negatives is 8; allowed: at most 7"),
    ],
)
def test_data_that_do_not_fit_are_refused(
    changes: dict[str, object], settings: dict[str, float], message: str, tmp_path: Path
) -> None:
    with pytest.raises(TrainingError, match=message):
        run(
            tiny_teacher(tmp_path / "teacher"), tmp_path / "student",
            EncoderDistillation(**settings, training=tiny_training()),  # type: ignore[arg-type]
            data=tiny_data(**changes), workplace=tmp_path / "work",
        )  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"layers": ()}, r"layers is \(\); allowed: a number from 0, or the layers to keep"),
        ({"layers": 2, "student": "other"}, "layers is 2; allowed with student 'other': 0"),
        ({"temperature": 0.0}, "temperature is 0.0; allowed: 0.001 to 10"),
        ({"choose": "first"}, "choose is 'first'; allowed: spaced, influence"),
        ({"cosine": 0.0, "similarity": 0.0}, "are all 0; allowed: at least one"),
    ],
)
def test_settings_out_of_range_are_named(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        EncoderDistillation(**changes)  # type: ignore[arg-type]
