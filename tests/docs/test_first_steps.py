"""What a newcomer is told to type fits the machine it is typed on."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from triton_rag_server.embedded import PYTHONS

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("python", PYTHONS)
def test_the_readme_names_the_packages_of_each_python(python: str) -> None:
    assert f"python{python}-venv libpython{python}`" in README


def test_the_readme_serves_the_repository_that_it_built_in_the_container() -> None:
    assert "REPOSITORY=$PWD/build/mine docker compose" in README
    assert "${REPOSITORY:-" in (ROOT / "docker" / "compose.yaml").read_text(encoding="utf-8")


def test_a_python_without_venv_is_told_its_own_package(tmp_path: Path) -> None:
    (tmp_path / "ensurepip.py").write_text("raise ImportError")
    stamp = tmp_path / "installed"
    outside_make = {
        name: value for name, value in os.environ.items() if "MAKE" not in name and name != "MFLAGS"
    }
    done = subprocess.run(
        ["make", f"STAMP={stamp}", f"PYTHON={sys.executable}", str(stamp)],
        cwd=ROOT,
        env={**outside_make, "PYTHONPATH": str(tmp_path)},  # or the make around this test adds lines
        capture_output=True,
        text=True,
        check=False,
    )
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    assert done.stdout == f"Python's venv module is missing: sudo apt-get install {version}-venv\n"
    assert done.returncode != 0
    assert not stamp.exists()
