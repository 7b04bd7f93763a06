import re
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from triton_rag_server import ModelLoadError
from triton_rag_server.missing_packages import EXTRA_OF_MODULE, advice_for, install_command

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(params=[True, False], ids=["clone", "wheel"])
def is_clone(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> bool:
    """An installation of each kind, as pip describes it, found before the real one."""
    folder = tmp_path / "triton_rag-0.0.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: triton-rag\nVersion: 0.0.0\n")
    editable = '{"url": "file:///x", "dir_info": {"editable": true}}'
    archive = '{"url": "file:///x.whl", "archive_info": {}}'
    (folder / "direct_url.json").write_text(editable if request.param else archive)
    monkeypatch.syspath_prepend(tmp_path)
    return bool(request.param)


def test_a_clone_is_installed_in_place_and_a_package_from_the_index(is_clone: bool) -> None:
    package = "-e '." if is_clone else "'triton-rag"
    assert install_command("serve", "cpu") == f"pip install {package}[serve,cpu]'"
    assert advice_for("faiss") == install_command("serve", "cpu")
    assert advice_for("torch.nn") == install_command("export", "serve", "cpu")


def test_a_model_that_misses_a_package_says_what_to_install() -> None:
    missing = ModelLoadError(
        "passage_search", "ModuleNotFoundError: No module named 'faiss' (model.py line 3)"
    )
    assert str(missing).endswith(f"for the Python that runs it: {install_command('serve', 'cpu')}")
    foreign = ModelLoadError("mine", "ModuleNotFoundError: No module named 'cv2' (model.py line 3)")
    assert str(foreign).endswith("install the package that brings 'cv2'")
    assert str(ModelLoadError("mine", "no index")) == "the model 'mine' does not load: no index"


@pytest.mark.parametrize("extra", ["export", "serve", "cpu"])
def test_every_package_of_an_extra_is_known(extra: str) -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    known = {module for module, brings in EXTRA_OF_MODULE.items() if brings == extra}
    modules = packages_distributions()
    for requirement in extras[extra]:
        name = re.split(r"[<>=\[]", requirement)[0]
        assert any(name in map(_normal, modules.get(module, ())) for module in known), name


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
