"""`precision = "auto"`: what is chosen follows from what was measured, and the reason is told."""

import json
from pathlib import Path

import pytest
from export.build.judged import measured_recipe, write_judged_data
from export.small_build import save_small_models, write_corpus
from triton_rag_export.build import ArtifactCache, CompressionReport, build, compress
from triton_rag_export.build.progress import SilentProgress
from triton_rag_export.evaluate.ledger import read_rows
from triton_rag_export.evaluate.ledger_report import ledger_state
from triton_rag_export.recipe import Recipe, load_recipe

LENIENT = "\n[encoder.gate]\nndcg_loss = 1.0\nrecall_loss = 1.0\nmrr_loss = 1.0\nleast_speedup = {least}\n"


class Notes(SilentProgress):
    """Keeps what steps say at their end."""

    def __init__(self) -> None:
        self.notes: dict[str, str] = {}

    def finished(self, step: str, seconds: float, note: str) -> None:
        self.notes[step] = note


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("precision")
    save_small_models(folder)
    write_corpus(folder)
    write_judged_data(folder)
    return folder


def auto_recipe(folder: Path, least_speedup: float) -> Recipe:
    gate = LENIENT.format(least=least_speedup)
    return measured_recipe(folder, gate, generator=False, precision="auto")


def compressed(folder: Path, least_speedup: float, ledger: str) -> tuple[CompressionReport, str]:
    notes = Notes()
    cache = ArtifactCache(folder / "cache" / "artifacts")
    report = compress(auto_recipe(folder, least_speedup), folder / ledger, notes, cache=cache)
    return report, notes.notes["choose the precision of the encoder"]


def test_int8_is_chosen_exactly_where_it_was_measured_to_be_faster(workshop: Path) -> None:
    report, reason = compressed(workshop, 0.0, "any.jsonl")
    if reason.startswith("int8; "):
        row = report.rows[-1]
        assert row.step == "int8"
        assert row.against_parent is not None
        assert row.against_parent.throughput > 1.0
        assert row.failures == ()
    else:
        assert reason.startswith("fp32; not int8: ")
        assert [(row.step, row.is_chosen) for row in report.rows] == [("original", True), ("int8", False)]


def test_where_the_gate_is_not_passed_floats_are_chosen_and_the_reason_says_by_how_much(
    workshop: Path,
) -> None:
    report, reason = compressed(workshop, 100.0, "demanding.jsonl")
    assert reason.startswith("fp32; not int8: throughput: ")
    assert "allowed: at least 100 times" in reason
    rows = read_rows(report.ledger)
    assert [(row.step, row.is_chosen) for row in rows] == [("original", True), ("int8", False)]
    assert rows[1].notes[-1].startswith("not chosen: throughput: ")
    (model,) = ledger_state(rows).models
    assert [stage.row.step for stage in model.stages] == ["original"]


def test_what_was_chosen_is_built(workshop: Path) -> None:
    cache = ArtifactCache(workshop / "cache" / "artifacts")
    report = build(auto_recipe(workshop, 100.0), workshop / "repository", cache=cache)
    assert report.manifest.models["encoder"].precision == "fp32"
    assert report.manifest.recipe["encoder"]["precision"] == "fp32"


def test_a_generator_is_measured_with_the_cache_that_will_serve(workshop: Path) -> None:
    open_gate = (
        "\n[generator.gate]\nleast_speedup = 0.0\nleast_shrink = 0.0\nf1_loss = 1.0\nrouge_l_loss = 1.0\n"
    )
    measured_recipe(workshop, open_gate + LENIENT.format(least=0.0), precision="fp32")
    path = workshop / "recipe.toml"
    asked = 'model = "generator"\nprecision = "auto"\ncache = "int8"'
    path.write_text(path.read_text().replace('model = "generator"\nprecision = "fp32"', asked))
    cache = ArtifactCache(workshop / "cached" / "artifacts")
    compress(load_recipe(path), workshop / "cached.jsonl", cache=cache)
    found = [
        json.loads(file.read_text())["inputs"]["settings"]
        for file in cache.folder.glob("generator/*/artifact.json")
    ]
    assert {(each["precision"], each["cache"]) for each in found} == {("fp32", "int8"), ("int8", "int8")}
