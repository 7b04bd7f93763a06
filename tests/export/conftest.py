"""One small repository, built once a session: tests that change it take a copy. And our operators."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from export.operators import RANKS, Operators
from export.small_build import save_small_models, small_recipe, write_corpus
from triton_rag_export.build import ArtifactCache, BuildReport, build
from triton_rag_export.kernels import install_kernels


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


@pytest.fixture(scope="session")
def operators(tmp_path_factory: pytest.TempPathFactory) -> Operators:
    folder = tmp_path_factory.mktemp("operators")
    install_kernels(folder)
    return Operators(folder)


@pytest.fixture(params=RANKS, ids=RANKS.values())
def each_rank(operators: Operators, request: pytest.FixtureRequest) -> Iterator[Operators]:
    """The operators with each instruction set that this processor has."""
    with operators.rank(request.param) as is_there:
        if not is_there:
            pytest.skip(f"this processor has no {RANKS[request.param]}")
        assert operators.instruction_set == RANKS[request.param]
        yield operators
