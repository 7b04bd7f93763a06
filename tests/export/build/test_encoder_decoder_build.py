"""A build whose generator is an encoder-decoder model: the same recipe, another kind of generator."""

import shutil
from pathlib import Path

import pytest
from export.conftest import SmallBuild
from export.small_build import save_small_bart, small_recipe
from generation import ServingSettings
from generation.encoder_decoder import EncoderDecoderAdapter
from generation.loading import load_adapter
from prompting import PromptBuilder
from triton_rag_export.build import BuildReport, build
from triton_rag_export.errors import BuildError
from triton_rag_export.repository import lint, read_manifest


@pytest.fixture(scope="module")
def workshop(small_build: SmallBuild, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the small build is made from, with a tiny BART in the place of its generator."""
    workshop = tmp_path_factory.mktemp("bart")
    shutil.copytree(small_build.workshop / "encoder", workshop / "encoder")
    shutil.copy(small_build.workshop / "corpus.jsonl", workshop)
    save_small_bart(workshop / "generator")
    return workshop


@pytest.fixture(scope="module")
def report(workshop: Path, small_build: SmallBuild) -> BuildReport:
    return build(small_recipe(workshop), workshop / "repository", cache=small_build.cache)


def test_the_repository_is_complete_and_says_what_it_holds(report: BuildReport) -> None:
    manifest = read_manifest(report.repository)

    assert not lint(report.repository)
    assert manifest.graphs["generator"]["family"] == "bart"
    assert manifest.quality["generator"]["kl"] < 1e-6
    assert {layer["stack"] for layer in manifest.graphs["generator"]["layers"]} == {"encoder", "decoder"}


def test_its_generator_answers_the_prompts_that_it_builds(report: BuildReport) -> None:
    folder = report.repository / "generator" / "1"
    adapter = load_adapter(folder, ServingSettings.load(folder))
    prompt = PromptBuilder.load(report.repository / "prompt_builder" / "1").build("Why?", [])

    ids: list[int] = prompt.ids.tolist()

    assert isinstance(adapter, EncoderDecoderAdapter)
    assert (ids[0], ids[-1]) == (0, 2)
    assert adapter.start(0, ids) == (2,)


def test_nothing_but_the_generator_and_its_prompt_is_made_again(report: BuildReport) -> None:
    assert {"generator", "prompt"}.isdisjoint(report.reused)
    assert {"passages", "encoder", "vectors", "index"} <= set(report.reused)


@pytest.mark.parametrize("setting", [{"precision": "int4"}, {"cache": "int8"}])
def test_settings_for_causal_models_alone_are_refused(
    setting: dict[str, str], workshop: Path, small_build: SmallBuild, tmp_path: Path
) -> None:
    recipe = small_recipe(workshop)
    assert recipe.generator is not None
    generator = recipe.generator.model_copy(update=setting)

    with pytest.raises(BuildError, match=r"has an encoder and a decoder: generator\.precision is"):
        build(recipe.model_copy(update={"generator": generator}), tmp_path / "out", cache=small_build.cache)
