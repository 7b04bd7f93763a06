"""What decides a step of compression: every change of what is learned makes another student."""

import json
import platform
from pathlib import Path
from typing import Any

import pytest
from export.build.judged import measured_recipe, write_judged_data
from export.small_build import save_small_models, write_corpus
from triton_rag_export.build.artifacts import ArtifactCache
from triton_rag_export.build.compression_inputs import step_inputs
from triton_rag_export.build.compression_methods import method_of
from triton_rag_export.build.context import find_models
from triton_rag_export.build.corpus_steps import cut_corpus
from triton_rag_export.build.progress import SilentProgress
from triton_rag_export.build.source_closure import source_file, source_files
from triton_rag_export.evaluate.ledger.row import Kind
from triton_rag_export.recipe import Recipe
from triton_rag_export.recipe.compression import steps_of

TABLES = """
[encoder.distil]
questions = ["data/small/questions.dev.jsonl"]
[encoder.prune]
neurons = 0.5
[encoder.prune.recovery]
python_docs = false
[generator.distil]
texts = ["data/small/questions.dev.jsonl"]
[generator.prune]
neurons = 0.5
[generator.prune.recovery]
texts = ["data/small/questions.dev.jsonl"]
"""


@pytest.fixture
def workshop(tmp_path: Path) -> Path:
    save_small_models(tmp_path)
    write_corpus(tmp_path)
    write_judged_data(tmp_path)
    return tmp_path


def inputs(workshop: Path, kind: Kind, name: str, recipe: Recipe | None = None) -> str:
    """What decides a step, as it is hashed."""
    recipe = recipe or measured_recipe(workshop, TABLES)
    context = find_models(recipe, ArtifactCache(workshop / "cache"), SilentProgress())
    table = context.recipe.encoder if kind == "encoder" else context.recipe.generator
    assert table is not None
    model = context.encoder if kind == "encoder" else context.generator
    assert model is not None
    found = step_inputs(context, cut_corpus(context), kind, steps_of(table)[name], model)
    return json.dumps(found, sort_keys=True)


def generator_with(workshop: Path, **changes: Any) -> Recipe:
    recipe = measured_recipe(workshop, TABLES)
    assert recipe.generator is not None
    return recipe.model_copy(update={"generator": recipe.generator.model_copy(update=changes)})


@pytest.mark.parametrize("name", ["distil", "prune"])
@pytest.mark.parametrize(
    "changes",
    [
        {"system": "You rhyme."},
        {"instruction": "{passages}\n{question}"},
        {"plain_template": "{content}"},
        {"template": "plain"},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_a_generator_learns_in_the_frame_of_its_prompt(
    workshop: Path, name: str, changes: dict[str, str]
) -> None:
    assert inputs(workshop, "generator", name) != inputs(
        workshop, "generator", name, generator_with(workshop, **changes)
    )


def test_how_long_prompts_may_be_while_serving_changes_no_student(workshop: Path) -> None:
    longer = generator_with(workshop, context_tokens=300)
    assert inputs(workshop, "generator", "distil") == inputs(workshop, "generator", "distil", longer)


@pytest.mark.parametrize("name", ["distil", "prune"])
@pytest.mark.parametrize("file", ["passages.jsonl", "questions.dev.jsonl"])
def test_a_text_and_the_passages_beside_it_count(workshop: Path, name: str, file: str) -> None:
    before = inputs(workshop, "generator", name)
    path = workshop / "data" / "small" / file
    path.write_text(path.read_text().replace("a", "e"))
    assert inputs(workshop, "generator", name) != before


@pytest.mark.parametrize("name", ["distil", "prune"])
@pytest.mark.parametrize(
    "changes",
    [
        {"pooling": "cls"},
        {"normalize": False},
        {"query_prefix": "ask: "},
        {"passage_prefix": "told: "},
        {"max_tokens": 150},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_an_encoder_learns_texts_as_they_are_served(
    workshop: Path, name: str, changes: dict[str, Any]
) -> None:
    recipe = measured_recipe(workshop, TABLES)
    other = recipe.model_copy(update={"encoder": recipe.encoder.model_copy(update=changes)})
    before, after = (json.loads(inputs(workshop, "encoder", name, each)) for each in (recipe, other))
    assert before["text"] != after["text"]


@pytest.mark.parametrize(("name", "reads_them"), [("distil", True), ("prune", False)])
def test_pythons_documentation_is_that_of_a_version(
    workshop: Path, name: str, *, reads_them: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = inputs(workshop, "encoder", name)
    monkeypatch.setattr(platform, "python_version", lambda: "3.99.0")
    assert (inputs(workshop, "encoder", name) != before) == reads_them


@pytest.mark.parametrize("name", ["distil", "prune", "low_rank", "quantize"])
@pytest.mark.parametrize(
    ("kind", "modules"),
    [
        (
            "encoder",
            (
                "triton_rag_export.compress.distil_encoder.read_data",
                "triton_rag_export.corpus.python_docs",
                "triton_rag_export.evaluate.indexed_ids",
            ),
        ),
        (
            "generator",
            (
                "triton_rag_export.compress.distil_generator.generator_texts",
                "triton_rag_export.compress.distil_generator.training_texts",
            ),
        ),
    ],
)
def test_the_code_that_reads_the_data_counts(kind: Kind, name: str, modules: tuple[str, ...]) -> None:
    assert {source_file(module) for module in modules} <= set(source_files(method_of(kind, name).modules))
