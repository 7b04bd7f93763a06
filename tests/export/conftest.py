"""One small repository, built once a session: tests that change it take a copy."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
from export.small_build import save_small_models, small_recipe, write_corpus
from triton_rag_export.build import ArtifactCache, BuildReport, build


@dataclass(frozen=True, slots=True)
class SmallBuild:
    """What was built, and from where it can be built again."""

    workshop: Path
    cache: ArtifactCache
    report: BuildReport


@pytest.fixture(scope="session")
def small_build(tmp_path_factory: pytest.TempPathFactory) -> SmallBuild:
    workshop = tmp_path_factory.mktemp("small")
    save_small_models(workshop)
    write_corpus(workshop)
    cache = ArtifactCache(workshop / "cache")
    report = build(small_recipe(workshop), workshop / "repository", cache=cache)
    return SmallBuild(workshop, cache, report)


@pytest.fixture
def repository(small_build: SmallBuild, tmp_path: Path) -> Path:
    """A copy of the small repository that a test may change."""
    return Path(shutil.copytree(small_build.report.repository, tmp_path / "repository"))
