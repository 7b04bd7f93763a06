"""Builds whose passages are embedded by another model than their queries."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from export.build.judged import ANY_QUALITY, measured_recipe, write_judged_data
from export.small_build import save_small_models, small_recipe, write_corpus
from passage_search import FingerprintMismatchError, PassageSearch, SearchQuery, check_encoder
from query_encoding import EncoderSettings
from tiny_encoders import TinyEncoder, save_tiny_encoder
from transformers import AutoModel
from triton_rag_export.build import ArtifactCache, build, compress
from triton_rag_export.errors import BuildError, GateError
from triton_rag_export.evaluate.ledger.row import TEACHERS_INDEX
from triton_rag_export.graph.model_source import fingerprint, resolve_model
from triton_rag_export.recipe import Recipe
from triton_rag_export.recipe.ledger import EncoderGate
from triton_rag_export.repository import lint


@pytest.fixture
def workshop(tmp_path: Path) -> Path:
    """Models, a corpus, and `teacher`: the encoder with weights that are a little different."""
    save_small_models(tmp_path)
    write_corpus(tmp_path)
    save_small_models(tmp_path / "other")
    (tmp_path / "other" / "encoder").rename(tmp_path / "teacher")
    model = AutoModel.from_pretrained(tmp_path / "teacher")
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.01 * torch.randn_like(parameter)
    model.save_pretrained(tmp_path / "teacher")
    return tmp_path


def recipe_with(workshop: Path, passage_model: str) -> Recipe:
    recipe = small_recipe(workshop, generator=False)
    encoder = recipe.encoder.model_copy(update={"passage_model": str(workshop / passage_model)})
    return recipe.model_copy(update={"encoder": encoder})


def test_passages_are_embedded_by_the_one_and_queries_by_the_other(workshop: Path) -> None:
    cache = ArtifactCache(workshop / "cache")
    pair = build(recipe_with(workshop, "teacher"), workshop / "pair", cache=cache)
    teacher = recipe_with(workshop, "teacher").model_copy(
        update={
            "encoder": small_recipe(workshop).encoder.model_copy(update={"model": str(workshop / "teacher")})
        }
    )
    alone = build(teacher, workshop / "alone", cache=cache)

    assert lint(pair.repository) == ()
    assert set(pair.manifest.models) == {"encoder", "passage_encoder"}
    searches = [PassageSearch.load(each.repository / "passage_search" / "1") for each in (pair, alone)]
    served = EncoderSettings.read(pair.repository / "query_encoder" / "1").fingerprint
    assert searches[0].settings.encoder == served
    assert searches[0].settings.passage_encoder == searches[1].settings.encoder != served
    assert searches[1].settings.passage_encoder is None
    query = np.ones(searches[0].settings.dimension, dtype=np.float32)
    found = [search.rank([SearchQuery("", query, "dense")], 5)[0] for search in searches]
    np.testing.assert_array_equal(found[0].rows, found[1].rows)
    np.testing.assert_array_equal(found[0].scores, found[1].scores)


def test_only_the_queries_encoder_is_accepted_beside_the_index(workshop: Path) -> None:
    report = build(
        recipe_with(workshop, "teacher"), workshop / "pair", cache=ArtifactCache(workshop / "cache")
    )
    search = PassageSearch.load(report.repository / "passage_search" / "1")
    served = report.repository / "query_encoder" / "1" / "encoder.json"
    check_encoder(search.settings.encoder, served)
    metadata = json.loads(served.read_text())
    teachers = workshop / "teachers.json"
    teachers.write_text(json.dumps({**metadata, "fingerprint": search.settings.passage_encoder}))

    with pytest.raises(FingerprintMismatchError, match=r"built for another encoder .*: weights"):
        check_encoder(search.settings.encoder, teachers)


def test_encoders_of_different_spaces_are_refused(workshop: Path) -> None:
    model = AutoModel.from_pretrained(workshop / "teacher")
    torch.manual_seed(3)
    shuffled = torch.randperm(model.config.hidden_size)
    with torch.no_grad():  # the same numbers, each in another place of the vector
        last = model.encoder.layer[-1].output
        for parameter in (last.LayerNorm.weight, last.LayerNorm.bias):
            parameter.copy_(-parameter[shuffled])
    model.save_pretrained(workshop / "teacher")

    with pytest.raises(
        BuildError, match=r"passages vectors with a mean cosine of .*; allowed: at least 0\.5"
    ):
        build(recipe_with(workshop, "teacher"), workshop / "out", cache=ArtifactCache(workshop / "cache"))
    assert not (workshop / "out").exists()


def test_vectors_of_different_length_are_refused(workshop: Path) -> None:
    save_tiny_encoder(TinyEncoder(width=18, positions=200, max_seq_length=180), workshop / "narrow")

    with pytest.raises(BuildError, match=r"gives vectors of 18 numbers, .* of 30; allowed: as many"):
        build(recipe_with(workshop, "narrow"), workshop / "out", cache=ArtifactCache(workshop / "cache"))


def embedded_by(cache: ArtifactCache) -> set[tuple[str, str]]:
    """Weights and precision of the encoders that judged data was embedded by."""
    records = (cache.folder / "judged-vectors").glob("*/artifact.json")
    keys = {json.loads(path.read_text())["inputs"]["graph"][:32] for path in records}
    found = [EncoderSettings.read(cache.folder / "encoder" / key).fingerprint for key in keys]
    return {(str(each["weights"]), str(each["precision"])) for each in found}


def test_the_gate_judges_the_pair_in_the_precision_that_is_served(workshop: Path) -> None:
    write_judged_data(workshop)
    recipe = measured_recipe(workshop, ANY_QUALITY, generator=False, precision="int8")
    named = recipe.encoder.model_copy(update={"passage_model": str(workshop / "teacher")})
    cache = ArtifactCache(workshop / "cache")
    report = compress(recipe.model_copy(update={"encoder": named}), workshop / "ledger.jsonl", cache=cache)

    assert [(row.step, set(row.quality)) for row in report.rows] == [
        ("original", {"small", f"small{TEACHERS_INDEX}"}),
        ("int8", {"small", f"small{TEACHERS_INDEX}"}),
    ]
    weights = {name: fingerprint(resolve_model(str(workshop / name))) for name in ("encoder", "teacher")}
    assert embedded_by(cache) == {(each, kind) for each in weights.values() for kind in ("fp32", "int8")}


def test_a_pair_whose_vectors_cannot_be_compared_does_not_pass_by_its_own_index(workshop: Path) -> None:
    write_judged_data(workshop)
    recipe = measured_recipe(workshop, ANY_QUALITY, generator=False, precision="int8")
    named = recipe.encoder.model_copy(update={"passage_model": str(workshop / "narrow")})
    save_tiny_encoder(TinyEncoder(width=18, positions=200, max_seq_length=180), workshop / "narrow")
    strict = named.model_copy(update={"gate": EncoderGate(least_speedup=0.0, least_shrink=0.0)})
    with pytest.raises(GateError, match="measured on no data set, teacher's index, where vectors have to be"):
        compress(
            recipe.model_copy(update={"encoder": strict}),
            workshop / "ledger.jsonl",
            cache=ArtifactCache(workshop / "cache"),
        )
