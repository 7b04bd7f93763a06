"""Compression of tiny real models: a row a step, nothing done twice, and a gate that stops it."""

import json
from pathlib import Path

import pytest
from export.build.judged import measured_recipe, write_judged_data
from export.small_build import DOCUMENTS, save_small_models, write_corpus
from triton_rag_export.build import ArtifactCache, CompressionReport, build, compress
from triton_rag_export.errors import EvaluationError, GateError, RecipeError
from triton_rag_export.evaluate.generator_answers import asked_questions
from triton_rag_export.evaluate.judged_data import read_judged_data
from triton_rag_export.evaluate.ledger import read_rows
from triton_rag_export.evaluate.ledger.row import ANSWERS, RETRIEVAL, TEACHERS_INDEX
from triton_rag_export.evaluate.ledger_report import ledger_state
from triton_rag_export.graph.model_source import load_tokenizer, resolve_model
from triton_rag_export.prompt import export_prompt
from triton_rag_export.recipe import Recipe, load_recipe

ANY_SPEED = "\n[encoder.gate]\nleast_speedup = 0.0\nleast_shrink = 0.0\n"


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("compression")
    save_small_models(folder)
    write_corpus(folder)
    write_judged_data(folder)
    return folder


@pytest.fixture(scope="module")
def report(workshop: Path) -> CompressionReport:
    recipe = measured_recipe(workshop, ANY_SPEED, precision="int8")
    return compress(recipe, workshop / "ledger.jsonl", cache=ArtifactCache(workshop / "cache"))


def test_every_step_is_a_row(report: CompressionReport) -> None:
    rows = read_rows(report.ledger)
    assert [(row.kind, row.step) for row in rows] == [
        ("encoder", "original"),
        ("encoder", "int8"),
        ("generator", "original"),
    ]
    assert rows == list(report.rows)
    original, int8, generator = rows
    assert (original.parent, int8.parent, generator.parent) == (None, original.key, None)


def test_a_row_says_what_was_measured(report: CompressionReport) -> None:
    original, int8, generator = report.rows
    assert int8.size.graph_bytes < original.size.graph_bytes
    assert int8.size.parameters == original.size.parameters > 0
    assert int8.against_parent is not None
    assert int8.against_parent.turns == 2
    assert int8.speed.latency_p50_ms <= int8.speed.latency_p95_ms
    assert int8.speed.peak_memory_bytes > 1_000_000
    assert set(int8.quality) == {"small", f"small{TEACHERS_INDEX}"}
    assert set(int8.quality["small"]) == set(RETRIEVAL)
    assert 0.9 < int8.distance["small"]["cosine"] <= 1.0
    assert set(generator.quality["small"]) == set(ANSWERS)
    assert generator.speed.throughput > 0


def test_a_second_run_repeats_nothing_and_adds_no_row(
    report: CompressionReport, workshop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = measured_recipe(workshop, ANY_SPEED, precision="int8")
    before = report.ledger.read_bytes()
    monkeypatch.setattr("triton_rag_export.evaluate.ledger.contender.Contender.__init__", refuse)
    again = compress(recipe, report.ledger, cache=ArtifactCache(workshop / "cache"))
    assert [row.key for row in again.rows] == [row.key for row in report.rows]
    assert report.ledger.read_bytes() == before


def test_a_recipe_that_goes_back_is_shown_as_it_is_now(report: CompressionReport, workshop: Path) -> None:
    """The report follows the latest run, though its rows are known and nothing is measured again."""
    ledger = workshop / "back.jsonl"
    cache = ArtifactCache(workshop / "cache")
    for precision, steps in (
        ("int8", ["original", "int8"]),
        ("fp32", ["original"]),
        ("int8", ["original", "int8"]),
    ):
        compress(measured_recipe(workshop, ANY_SPEED, precision=precision), ledger, cache=cache)
        shown = {model.kind: model for model in ledger_state(read_rows(ledger)).models}
        assert [stage.row.step for stage in shown["encoder"].stages] == steps
    assert len(ledger.read_text().splitlines()) == 3 + 2


def refuse(*_: object) -> None:
    raise AssertionError("measured again")


def test_a_step_that_misses_the_gate_ends_the_run_and_is_in_the_ledger(
    report: CompressionReport, workshop: Path
) -> None:
    gate = "\n[encoder.gate]\nleast_speedup = 0.0\nleast_shrink = 100.0\n"
    recipe = measured_recipe(workshop, gate, precision="int8")
    ledger = workshop / "gated.jsonl"
    with pytest.raises(GateError, match=r"bytes on disk: .* allowed: at least 100 times; missed by \d"):
        compress(recipe, ledger, cache=ArtifactCache(workshop / "cache"))
    rows = read_rows(ledger)
    assert [row.step for row in rows] == ["original", "int8"]
    assert [failure.figure for failure in rows[-1].failures] == ["bytes on disk"]


def test_a_question_about_a_passage_that_is_not_there_is_named(workshop: Path, tmp_path: Path) -> None:
    data = write_judged_data(tmp_path) / "small" / "questions.dev.jsonl"
    data.write_text(json.dumps({"question": "What?", "passage_id": "nowhere"}) + "\n")
    recipe = measured_recipe(workshop, generator=False)
    changed = recipe.model_copy(
        update={"ledger": recipe.ledger.model_copy(update={"data": tmp_path / "data"})}
    )
    with pytest.raises(EvaluationError, match=r"questions\.dev\.jsonl:1: 'nowhere' is no passage"):
        compress(changed, tmp_path / "ledger.jsonl", cache=ArtifactCache(workshop / "cache"))


def test_data_that_is_not_there_is_named(workshop: Path) -> None:
    measured_recipe(workshop)
    text = (workshop / "recipe.toml").read_text().replace('data = "data"', 'data = "nowhere"')
    (workshop / "other.toml").write_text(text)
    with pytest.raises(RecipeError, match=r'ledger\.data = "nowhere".*an existing folder of data sets'):
        load_recipe(workshop / "other.toml")


def unjudged(recipe: Recipe) -> Recipe:
    return recipe.model_copy(update={"ledger": recipe.ledger.model_copy(update={"data": None})})


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        (
            "[encoder.low_rank]\nenergy = 0.9",
            r"ledger\.data is not given, and \[encoder\.gate\] .*; allowed: .*, or ndcg_loss = 1\.0",
        ),
        (
            "[generator.low_rank]\nenergy = 0.9",
            r"\[generator\.gate\] has nothing to judge the generator by; .* f1_loss = 1\.0, rouge_l",
        ),
    ],
    ids=["encoder", "generator"],
)
def test_without_judged_data_a_gate_stops_before_any_step(
    workshop: Path, tmp_path: Path, tables: str, message: str
) -> None:
    recipe = unjudged(measured_recipe(workshop, f"\n{tables}\n"))
    for run in (compress, build):
        with pytest.raises(RecipeError, match=message):
            run(recipe, tmp_path / "out", cache=ArtifactCache(tmp_path / "cache"))
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / "cache").exists()


def test_without_judged_data_size_and_speed_can_be_judged(workshop: Path, tmp_path: Path) -> None:
    losses = "ndcg_loss = 1.0\nrecall_loss = 1.0\nmrr_loss = 1.0\n"
    recipe = unjudged(measured_recipe(workshop, ANY_SPEED + losses, precision="int8", generator=False))
    report = compress(recipe, tmp_path / "ledger.jsonl", cache=ArtifactCache(workshop / "cache"))
    assert [(row.step, row.quality) for row in report.rows] == [("original", {}), ("int8", {})]


def test_where_the_data_has_no_answers_the_right_passage_is_the_reference(
    workshop: Path, tmp_path: Path
) -> None:
    """As in medquad, whose passages are the answers to its questions."""
    data = write_judged_data(tmp_path) / "small" / "questions.dev.jsonl"
    rows = [json.loads(line) for line in data.read_text().splitlines()]
    data.write_text("".join(json.dumps({**row, "answers": []}) + "\n" for row in rows))
    prompt = tmp_path / "prompt"
    prompt.mkdir()
    recipe = measured_recipe(workshop)
    assert recipe.generator is not None
    export_prompt(
        load_tokenizer(resolve_model(recipe.generator.model)), recipe.generator, recipe.serving, prompt
    )

    asked = asked_questions(prompt, read_judged_data(data.parent, None), 2, 4)

    assert [question.answers for question in asked] == [
        (DOCUMENTS[row["passage_id"]][1],) for row in rows[:2]
    ]
