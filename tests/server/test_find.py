import os
from pathlib import Path

import pytest
from triton_rag_server import ServerNotFoundError, find, find_tritonserver
from triton_rag_server.find import stub_python


def executable(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def bare_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without a tritonserver on PATH or in the container's place."""
    monkeypatch.setenv("PATH", str(tmp_path / "path" / "bin"))
    monkeypatch.setattr(find, "CONTAINER_PATH", tmp_path / "container" / "bin" / "tritonserver")
    return tmp_path


def test_the_one_named_wins(bare_machine: Path) -> None:
    executable(bare_machine / "path" / "bin" / "tritonserver")
    named = executable(bare_machine / "mine" / "bin" / "tritonserver")
    found = find_tritonserver(named)
    assert (found.program, found.origin) == (named, "option")
    assert found.backends == bare_machine / "mine" / "backends"


def test_the_folder_of_an_installation_may_be_named(bare_machine: Path) -> None:
    named = executable(bare_machine / "mine" / "bin" / "tritonserver")
    assert find_tritonserver(bare_machine / "mine").program == named


def test_one_named_that_cannot_run_is_refused(bare_machine: Path) -> None:
    with pytest.raises(ServerNotFoundError, match="nothing is not an executable"):
        find_tritonserver(bare_machine / "nothing")


def test_path_comes_before_the_container(bare_machine: Path) -> None:
    on_path = executable(bare_machine / "path" / "bin" / "tritonserver")
    executable(find.CONTAINER_PATH)
    assert find_tritonserver().program == on_path


def test_the_container_comes_before_the_embedded_one(bare_machine: Path) -> None:
    executable(find.CONTAINER_PATH)
    assert find_tritonserver().origin == "container"


def test_a_bare_machine_gets_the_embedded_one(bare_machine: Path) -> None:
    found = find_tritonserver()
    assert found.origin == "embedded"
    assert os.access(found.program, os.X_OK)
    assert os.access(found.stub, os.X_OK)


def test_the_embedded_one_can_be_asked_for(bare_machine: Path) -> None:
    executable(bare_machine / "path" / "bin" / "tritonserver")
    assert find_tritonserver("embedded").origin == "embedded"


def test_another_server_gets_our_packages_only_for_the_same_python(bare_machine: Path) -> None:
    named = executable(bare_machine / "mine" / "bin" / "tritonserver")
    stub = find_tritonserver(named).stub
    stub.parent.mkdir(parents=True)
    own_stub = find_tritonserver("embedded").stub
    stub.write_bytes(own_stub.read_bytes())
    first, *others = find_tritonserver(named).environment["PYTHONPATH"].split(os.pathsep)
    assert (Path(first) / "numpy" / "__init__.py").is_file()
    assert any("site-packages" in folder for folder in others)
    stub.write_bytes(own_stub.read_bytes() + b"numpy._core")
    assert first not in find_tritonserver(named).environment["PYTHONPATH"].split(os.pathsep)
    stub.write_bytes(b"... libpython3.7.so.1.0 ...")
    assert stub_python(stub) == "3.7"
    assert "site-packages" not in find_tritonserver(named).environment.get("PYTHONPATH", "")
