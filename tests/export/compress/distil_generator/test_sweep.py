"""A sweep is what so many short distillations would say, each for itself."""

from dataclasses import replace
from pathlib import Path

import pytest
from export.compress.distil_generator.small_distillation import (
    RECIPE,
    SETTINGS,
    TRAINING,
    save_teacher,
    write_texts,
)
from triton_rag_export.compress.distil_generator import distil_generator, read_generator_texts, sweep


def test_the_table_has_a_row_a_pair_and_says_what_a_run_of_its_own_would(tmp_path: Path) -> None:
    texts = read_generator_texts(replace(SETTINGS, texts=(write_texts(tmp_path / "texts.jsonl"),)), RECIPE)
    teacher, seen = save_teacher(tmp_path / "teacher"), []

    report = sweep(
        teacher,
        SETTINGS,
        data=texts,
        workplace=tmp_path / "work",
        temperature=(1.0, 4.0),
        alpha=(0.25, 1.0),
        steps=5,
        report=lambda *progress: seen.append(progress),
    )

    assert [(row.temperature, row.alpha) for row in report.rows] == [(1, 0.25), (1, 1), (4, 0.25), (4, 1)]
    assert len(seen) == 20
    lines = report.table().splitlines()
    assert lines[0].split() == ["temperature", "alpha", "dev", "KL", "dev", "top-1", "dev", "loss", "seconds"]
    assert len({len(line) for line in lines}) == 1
    assert len(lines) == 6
    assert [line.endswith("*") for line in lines[2:]] == [row is report.nearest for row in report.rows]

    assert report.rows[1].quality == report.rows[3].quality  # labels alone have no temperature
    assert report.rows[0].quality.kl < report.rows[1].quality.kl
    alone = distil_generator(
        teacher,
        tmp_path / "student",
        replace(SETTINGS, temperature=4.0, alpha=0.25, training=replace(TRAINING, steps=5)),
        data=texts,
        workplace=tmp_path / "alone",
    )
    assert f"KL {report.rows[2].quality.kl:.4f}" in alone.notes[-1].split("before")[1]


def test_pairs_are_needed_and_in_range(tmp_path: Path) -> None:
    texts = read_generator_texts(replace(SETTINGS, texts=(write_texts(tmp_path / "texts.jsonl"),)), RECIPE)
    with pytest.raises(ValueError, match=r"temperature has 0 values and alpha 3; allowed: 1 to 100 pairs"):
        sweep(tmp_path, SETTINGS, data=texts, workplace=tmp_path, temperature=())
    with pytest.raises(ValueError, match=r"alpha is 2; allowed: 0 to 1"):
        sweep(tmp_path, SETTINGS, data=texts, workplace=tmp_path, alpha=(2,))
