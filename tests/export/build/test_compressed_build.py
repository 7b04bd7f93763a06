"""A build with compression serves what the steps left; the index of a teacher takes its student."""

import json
from pathlib import Path

import pytest
from export.build.judged import measured_recipe, write_judged_data
from export.build.test_compression_steps import DISTIL, ENCODER
from export.evaluate.test_evaluate import QUESTIONS, questions_file
from export.small_build import save_small_models, write_corpus
from triton_rag_export.build import ArtifactCache, BuildReport, build
from triton_rag_export.evaluate import evaluate
from triton_rag_export.evaluate.display import EvaluationDisplay
from triton_rag_export.evaluate.ledger import read_rows
from triton_rag_export.recipe import load_recipe
from triton_rag_export.repository import lint


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("compressed-build")
    save_small_models(folder, layers=2)
    write_corpus(folder)
    write_judged_data(folder)
    return folder


@pytest.fixture(scope="module")
def report(workshop: Path) -> BuildReport:
    measured_recipe(workshop, ENCODER + DISTIL)
    path = workshop / "recipe.toml"
    path.write_text(path.read_text().replace("[encoder]\n", '[encoder]\npassage_model = "encoder"\n'))
    cache = ArtifactCache(workshop / "cache" / "artifacts")
    return build(load_recipe(path), workshop / "repository", cache=cache)


def test_the_compressed_models_are_served(report: BuildReport, workshop: Path) -> None:
    assert lint(report.repository) == ()
    rows = {(row.kind, row.step): row for row in read_rows(workshop / "repository.ledger.jsonl")}
    for kind in ("encoder", "generator"):
        assert report.manifest.models[kind].fingerprint == rows[kind, "distil"].model


def test_a_teachers_index_knows_and_takes_the_students_queries(report: BuildReport, tmp_path: Path) -> None:
    index = json.loads((report.repository / "passage_search/1/index.json").read_text())
    served = json.loads((report.repository / "query_encoder/1/encoder.json").read_text())
    assert index["encoder"] == served["fingerprint"]
    assert index["passage_encoder"]["weights"] != index["encoder"]["weights"]
    with EvaluationDisplay() as display:
        found = evaluate(report.repository, questions_file(tmp_path, *QUESTIONS), display)
    assert 0 <= found.retrieval["dense"]["nDCG@10"] <= 1
