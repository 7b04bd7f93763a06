"""The steps of compression by recipe, on a tiny Llama of two layers: smaller models, rows, and faults."""

from pathlib import Path

import pytest
from export.build.judged import ANY_QUALITY, measured_recipe, write_judged_data
from export.small_build import save_small_models, write_corpus
from triton_rag_export.build import ArtifactCache, CompressionReport, compress
from triton_rag_export.compress.distil_encoder import TorchEncoder
from triton_rag_export.errors import CorpusError, RecipeError
from triton_rag_export.evaluate.ledger import read_rows
from triton_rag_export.evaluate.ledger.row import TEACHERS_INDEX
from triton_rag_export.graph.model_source import resolve_model
from triton_rag_export.recipe import load_recipe

DISTIL = """
[generator.gate]
least_speedup = 0.0
least_shrink = 0.5  # rows of weights are padded on disk, which counts at these widths
f1_loss = 1.0
rouge_l_loss = 1.0

[generator.distil]
layers = 1
max_tokens = 64
answer_tokens = 32
[generator.distil.training]
steps = 3
batch_size = 4
"""
ENCODER = """
[encoder.gate]
least_speedup = 0.0
ndcg_loss = 1.0
recall_loss = 1.0
mrr_loss = 1.0

[encoder.distil]
layers = 1
max_tokens = 64
held_out = 0
python_docs = false
labels = 0.1
questions = ["data/small/questions.dev.jsonl"]
[encoder.distil.training]
steps = 3
batch_size = 4
"""
ENCODER_PRUNE = """
[encoder.prune]
neurons = 0.5
neuron_multiple = 1
recover = false
"""
PRUNE = """
[generator.prune]
neurons = 0.5
[generator.prune.recovery]
max_tokens = 64
answer_tokens = 32
{texts}
[generator.prune.recovery.training]
steps = 2
batch_size = 4
"""
LOW_RANK = """
[generator.low_rank]
size = 0.8
rank_multiple = 1
recover = false
"""


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("steps")
    save_small_models(folder, layers=2)
    write_corpus(folder)
    write_judged_data(folder)
    return folder


@pytest.fixture(scope="module")
def report(workshop: Path) -> CompressionReport:
    recipe = measured_recipe(workshop, ENCODER + ENCODER_PRUNE + DISTIL + PRUNE.format(texts="") + LOW_RANK)
    cache = ArtifactCache(workshop / "cache" / "artifacts")
    return compress(recipe, workshop / "ledger.jsonl", cache=cache, out=workshop / "models")


def test_each_step_makes_the_model_smaller_and_is_a_row(report: CompressionReport) -> None:
    rows = [row for row in read_rows(report.ledger) if row.kind == "generator"]
    assert [row.step for row in rows] == ["original", "distil", "prune", "low_rank"]
    parameters = [row.size.parameters for row in rows]
    assert parameters == sorted(parameters, reverse=True)
    assert len(set(parameters)) == 4


def test_a_row_names_files_as_they_lie_from_its_ledger(report: CompressionReport, workshop: Path) -> None:
    distilled = next(row for row in report.rows if (row.kind, row.step) == ("encoder", "distil"))
    assert distilled.settings["questions"] == ["data/small/questions.dev.jsonl"]
    assert str(workshop) not in report.ledger.read_text(encoding="utf-8")


def test_a_row_says_what_training_took_and_how_far_the_model_is_from_the_original(
    report: CompressionReport,
) -> None:
    original, distilled, pruned, factorized = (row for row in report.rows if row.kind == "generator")
    assert distilled.training is not None
    assert distilled.training.flops > 0
    assert pruned.training is not None
    assert factorized.training is None
    assert original.distance == {}
    assert distilled.distance["small"]["KL"] > 0
    assert distilled.settings["training"]["steps"] == 3
    assert any("neurons gone" in note for note in pruned.notes)


def test_an_encoders_student_is_judged_with_its_own_index_and_the_teachers(report: CompressionReport) -> None:
    original, distilled, pruned = (row for row in report.rows if row.kind == "encoder")
    assert pruned.size.parameters < distilled.size.parameters < original.size.parameters
    assert set(original.quality) == {"small"}
    assert set(distilled.quality) == {"small", f"small{TEACHERS_INDEX}"}
    assert -1 <= distilled.distance["small"]["cosine"] < 1
    assert distilled.training is not None


def test_the_models_can_be_taken_out_and_named_in_a_recipe(report: CompressionReport, workshop: Path) -> None:
    again = measured_recipe(workshop)
    assert again.generator is not None
    generator = again.generator.model_copy(update={"model": str(workshop / "models" / "generator")})
    found = compress(
        again.model_copy(update={"generator": generator}),
        workshop / "again.jsonl",
        cache=ArtifactCache(workshop / "cache" / "artifacts"),
    )
    assert found.rows[-1].size.parameters == report.rows[-1].size.parameters


def test_a_step_that_fails_keeps_the_rows_and_artifacts_of_those_before(
    report: CompressionReport, workshop: Path
) -> None:
    (workshop / "texts.jsonl").write_text('{"text": 3}\n')
    recipe = measured_recipe(workshop, DISTIL + PRUNE.format(texts='texts = ["texts.jsonl"]'))
    ledger = workshop / "failed.jsonl"
    cache = ArtifactCache(workshop / "cache" / "artifacts")
    distilled = set((cache.folder / "generator-distil").iterdir())
    with pytest.raises(CorpusError, match=r"texts\.jsonl:1"):
        compress(recipe, ledger, cache=cache)
    assert [row.step for row in read_rows(ledger) if row.kind == "generator"] == ["original", "distil"]
    assert set((cache.folder / "generator-distil").iterdir()) == distilled


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ("[generator.distil]\nalpha = 2.0", r"generator\.distil\.alpha = 2\.0: .* a number from 0 to 1"),
        (
            "[generator.distil]\nmax_tokens = 16\nanswer_tokens = 16",
            r"generator\.distil\.answer_tokens = 16: .* 1 to 15, less than max_tokens = 16",
        ),
        (
            "[generator.distil.training]\nbatch_size = 6\nslices = 4",
            r"generator\.distil\.training\.slices = 4: .* a divisor of batch_size, which is 6",
        ),
        (
            '[generator.prune]\nweights = "unstructured"',
            r'generator\.prune\.sparsity = .*: .* above 0 with weights = "unstructured"',
        ),
        ("[generator.low_rank]\nrecover = false", r"generator\.low_rank\.energy"),
        (
            "[generator.prune]\nneurons = 0.5\n[generator.prune.recovery]\nlayers = 1",
            r"generator\.prune\.recovery\.layers = 1: .* no such key in a recovery",
        ),
        (
            '[encoder.quantize.recovery]\nstudent = "some/model"',
            r'encoder\.quantize\.recovery\.student = "some/model": .* no such key in a recovery',
        ),
        ('[generator.distil]\ntexts = ["nowhere.jsonl"]', r"generator\.distil\.texts"),
    ],
)
def test_a_wrong_value_is_named_with_what_is_allowed(workshop: Path, extra: str, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        measured_recipe(workshop, f"\n{extra}\n")


def test_an_encoder_is_trained_as_the_recipe_will_have_it_served(workshop: Path, tmp_path: Path) -> None:
    measured_recipe(workshop, ENCODER + ENCODER_PRUNE, generator=False)
    path = workshop / "recipe.toml"
    asked = '[encoder]\npooling = "cls"\nquery_prefix = "ask: "\nmax_tokens = 130\n'
    path.write_text(path.read_text().replace("[encoder]\n", asked))
    cache = ArtifactCache(workshop / "cache" / "artifacts")
    compress(load_recipe(path), tmp_path / "ledger.jsonl", cache=cache, out=tmp_path / "models")
    found = TorchEncoder.load(resolve_model(str(tmp_path / "models" / "encoder"))).text
    assert (found.pooling, found.query_prefix, found.max_tokens) == ("cls", "ask: ", 130)


def test_two_equal_runs_give_models_of_the_same_fingerprint(workshop: Path, tmp_path: Path) -> None:
    low_rank = LOW_RANK.replace("generator", "encoder")
    recipe = measured_recipe(workshop, ANY_QUALITY + low_rank, generator=False)
    found = [
        compress(
            recipe,
            tmp_path / f"{name}.jsonl",
            cache=ArtifactCache(tmp_path / f"{name}-cache"),
            out=tmp_path / name,
        )
        for name in ("first", "second")
    ]
    models = [[row.model for row in report.rows] for report in found]
    assert models[0] == models[1]
    assert not list((tmp_path / "first" / "encoder").glob("artifact.json"))
