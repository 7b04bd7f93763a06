"""`precision = "auto"`: what is chosen follows from what was measured, and the reason is told."""

from pathlib import Path

import pytest
from export.build.judged import measured_recipe, write_judged_data
from export.small_build import save_small_models, write_corpus
from triton_rag_export.build import ArtifactCache, CompressionReport, build, compress
from triton_rag_export.build.progress import SilentProgress
from triton_rag_export.recipe import Recipe

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
        assert [row.step for row in report.rows] == ["original"]


def test_where_the_gate_is_not_passed_floats_are_chosen_and_the_reason_says_by_how_much(
    workshop: Path,
) -> None:
    report, reason = compressed(workshop, 100.0, "demanding.jsonl")
    assert reason.startswith("fp32; not int8: throughput: ")
    assert "allowed: at least 100 times" in reason
    assert [row.step for row in report.rows] == ["original"]


def test_what_was_chosen_is_built(workshop: Path) -> None:
    cache = ArtifactCache(workshop / "cache" / "artifacts")
    report = build(auto_recipe(workshop, 100.0), workshop / "repository", cache=cache)
    assert report.manifest.models["encoder"].precision == "fp32"
    assert report.manifest.recipe["encoder"]["precision"] == "fp32"
