"""A repository whose encoder is in static INT8, from the recipe to the passage that a query finds."""

import json
from pathlib import Path

import numpy as np
from export.conftest import SmallBuild
from export.small_build import DOCUMENTS, small_recipe
from passage_search import PassageSearch, SearchQuery, check_encoder
from query_encoding import QueryEncoder
from query_tokenization import QueryTokenizer
from triton_rag_export.build import build
from triton_rag_export.recipe import Recipe, load_recipe
from triton_rag_export.repository import lint


def static_recipe(workshop: Path, calibration: str) -> Recipe:
    small_recipe(workshop, generator=False, precision="int8_static")
    path = workshop / "recipe.toml"
    table = f'precision = "int8_static"\ncalibration = "{calibration}"'
    path.write_text(path.read_text(encoding="utf-8").replace('precision = "int8_static"', table))
    return load_recipe(path)


def test_a_static_encoder_is_built_and_finds_the_passages_it_embedded(
    small_build: SmallBuild, tmp_path: Path
) -> None:
    recipe = static_recipe(small_build.workshop, "entropy")
    report = build(recipe, tmp_path / "static", cache=small_build.cache)

    assert lint(report.repository) == ()
    described = report.manifest.graphs["encoder"]
    assert report.manifest.models["encoder"].precision == "int8_static"
    assert (described["built_by"], described["calibration"]) == ("torch", "entropy")
    assert report.manifest.quality["encoder"]["to_fp32"]["mean"] > 0.9
    served = report.repository / "query_encoder" / "1"
    search = PassageSearch.load(report.repository / "passage_search" / "1")
    check_encoder(search.settings.encoder, served / "encoder.json")
    tokenizer = QueryTokenizer.load(report.repository / "query_tokenizer" / "1")
    title, text = DOCUMENTS["strings"]
    (vector,) = QueryEncoder.load(served).encode_ragged(tokenizer.encode_texts([f"{title}\n{text}"]))
    assert json.loads((served / "encoder.json").read_text())["fingerprint"]["precision"] == "int8_static"
    (found,) = search.search([SearchQuery("", vector, "dense")])
    assert found[0].text == text
    np.testing.assert_allclose(found[0].score, 1.0, atol=1e-6)  # the very vector that was embedded


def test_another_method_exports_the_encoder_again(small_build: SmallBuild, tmp_path: Path) -> None:
    prints = []
    for method in ("minmax", "percentile"):
        recipe = static_recipe(small_build.workshop, method)
        report = build(recipe, tmp_path / method, cache=small_build.cache)
        assert report.manifest.graphs["encoder"]["calibration"] == method
        prints.append(QueryEncoder.load(report.repository / "query_encoder" / "1").fingerprint)
    assert {name for name in prints[0] if prints[0][name] != prints[1][name]} == {"graph"}
