"""A build whose generator is for a GPU: the same recipe and one key, and nothing is served without a GPU."""

from pathlib import Path

import pytest
from export.conftest import SmallBuild
from export.small_build import small_recipe
from generation import SettingsError
from generation.causal import CausalDescription
from generation.loading import load_engine
from generation.session import has_cuda
from triton_rag_export.build import BuildReport, build
from triton_rag_export.repository import lint, read_manifest


@pytest.fixture(scope="module")
def report(small_build: SmallBuild, tmp_path_factory: pytest.TempPathFactory) -> BuildReport:
    recipe = small_recipe(small_build.workshop)
    assert recipe.generator is not None
    chosen = {"device": "cuda", "precision": "fp16"}
    for_gpu = recipe.model_copy(update={"generator": recipe.generator.model_copy(update=chosen)})
    return build(for_gpu, tmp_path_factory.mktemp("gpu") / "repository", cache=small_build.cache)


def version_folder(report: BuildReport) -> Path:
    return report.repository / "generator" / "1"


def test_the_repository_is_complete_and_says_what_it_is_for(report: BuildReport) -> None:
    graph = read_manifest(report.repository).graphs["generator"]

    assert not lint(report.repository)
    assert (graph["device"], graph["precision"]) == ("cuda", "fp16")
    assert graph["checked_on"] == ("cuda" if has_cuda() else "cpu")
    assert CausalDescription.load(version_folder(report)).device == "cuda"


def test_our_operators_for_a_cpu_stay_out(report: BuildReport) -> None:
    names = {path.name for path in version_folder(report).iterdir()}
    assert "libtriton_rag_kernels.so" not in names
    assert {"generator.onnx", "generator.onnx.data", "copy_cache.onnx"} <= names


@pytest.mark.skipif(has_cuda(), reason="the onnxruntime at hand has a CUDA provider")
def test_without_a_gpu_it_is_not_served(report: BuildReport) -> None:
    with pytest.raises(SettingsError, match=r"pip install 'triton-rag\[serve,gpu\]'"):
        load_engine(version_folder(report))
