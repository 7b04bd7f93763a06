"""A recipe's generator distilled by two processes that accelerate launches, over the recipe's corpus."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from export.conftest import SmallBuild
from export.small_build import RECIPE, save_small_models, write_corpus
from triton_rag_export.build import build
from triton_rag_export.errors import BuildError
from triton_rag_export.graph.model_source import load_causal_model, resolve_model
from triton_rag_export.recipe import load_recipe

ROOT = Path(__file__).resolve().parents[3]
GENERATOR = """
[generator]
model = "generator"
precision = "fp32"
context_tokens = 512

[generator.distil]
layers = 1
max_tokens = 64
answer_tokens = 16
cached_tokens = 16

[generator.distil.training]
steps = 2
batch_size = 4
slices = 2
checkpoint_every = 0
"""


def launched(folder: Path, recipe: str) -> subprocess.CompletedProcess[str]:
    (folder / "recipe.toml").write_text(recipe, encoding="utf-8")
    command = [sys.executable, "-m", "accelerate.commands.launch", "--main_process_port=0", "--config_file"]
    command += [str(ROOT / "recipes" / "accelerate" / "ddp.yaml")]
    command += ["-m", "triton_rag_export.build.launched_distillation"]
    command += [str(folder / "recipe.toml"), "--out", str(folder / "student")]
    environment = {"ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    environment["TRITON_RAG_CACHE"] = str(folder / "cache")
    return subprocess.run(
        command, capture_output=True, text=True, env={**os.environ, **environment}, check=False
    )


def test_two_processes_distil_by_recipe_and_the_first_speaks(tmp_path: Path) -> None:
    save_small_models(tmp_path)
    write_corpus(tmp_path)

    done = launched(tmp_path, RECIPE.format(generator=GENERATOR, precision="fp32"))

    assert done.returncode == 0, done.stderr[-2000:]
    steps = [line for line in done.stdout.splitlines() if line.startswith("step ")]
    assert [line.split(":")[0] for line in steps] == ["step 1/2", "step 2/2"]
    assert "student is ready" in done.stdout
    student = load_causal_model(resolve_model(str(tmp_path / "student")))
    assert student.config.num_hidden_layers == 1


def test_the_steps_of_a_recipe_refuse_several_processes(
    monkeypatch: pytest.MonkeyPatch, small_build: SmallBuild, tmp_path: Path
) -> None:
    recipe = small_build.workshop / "launched.toml"
    recipe.write_text(RECIPE.format(generator=GENERATOR, precision="fp32"), encoding="utf-8")
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(BuildError, match=r"run in one process.*build\.launched_distillation"):
        build(load_recipe(recipe), tmp_path / "repository", cache=small_build.cache)


def test_a_recipe_without_distillation_is_refused(tmp_path: Path) -> None:
    save_small_models(tmp_path)
    write_corpus(tmp_path)
    plain = GENERATOR.split("[generator.distil]")[0]

    done = launched(tmp_path, RECIPE.format(generator=plain, precision="fp32"))

    assert done.returncode != 0
    assert "error: the recipe has no [generator.distil]; add it" in done.stderr
