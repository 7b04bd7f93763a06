import os
import socket
from pathlib import Path

import pytest
from triton_rag_client.diagnosis import Finding, State, check_machine, machine
from triton_rag_server.cache_folder import CACHE_VARIABLE


def finding(name: str) -> Finding:
    return next(found for found in check_machine() if found.name == name)


def test_a_machine_that_runs_these_tests_misses_nothing() -> None:
    assert [found for found in check_machine() if found.state is State.MISSING] == []


def test_a_python_library_that_is_not_there_comes_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "libpython_folder", lambda: None)
    found = finding("Python library")
    assert found.state is State.MISSING
    assert "sudo apt-get install libpython3." in found.advice


def test_a_port_in_use_is_a_note_with_its_number(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        monkeypatch.setattr(machine, "_PORTS", {"HTTP": port})
        found = finding("Ports")
    assert (found.state, found.detail) == (State.NOTE, f"in use: {port} (HTTP)")


def test_little_shared_memory_is_said(tmp_path: Path) -> None:
    found = machine._shared_memory(tmp_path / "nothing")
    assert found.state is State.MISSING
    assert "--shm-size" in found.advice


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_cache_that_cannot_be_written_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tmp_path.chmod(0o500)
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    found = finding("Cache")
    assert (found.state, "TRITON_RAG_CACHE" in found.advice) == (State.MISSING, True)


def test_a_cache_folder_need_not_exist_yet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "a" / "b"))
    assert finding("Cache").state is not State.MISSING
