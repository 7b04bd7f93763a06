import sys
from pathlib import Path

import pytest
from triton_rag_client.diagnosis import State, check_server
from triton_rag_client.diagnosis import server as diagnosis
from triton_rag_server import find_tritonserver
from triton_rag_server.cache_folder import CACHE_VARIABLE
from triton_rag_server.embedded import embedded_root

PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"


def test_the_embedded_server_fits_this_python() -> None:
    find_tritonserver("embedded")
    found = {finding.name: finding for finding in check_server()}
    assert found["tritonserver"].state is State.OK
    assert found["Python backend"].detail == f"runs models in Python {PYTHON}"


def test_nothing_is_downloaded_by_looking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    found = {finding.name: finding for finding in check_server()}
    assert (found["tritonserver"].state, found["perf_analyzer"].state) == (State.NOTE, State.NOTE)
    assert list(tmp_path.iterdir()) == []


def test_looking_at_a_prepared_server_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    find_tritonserver("embedded")
    real = embedded_root()
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    embedded_root().parent.mkdir()
    embedded_root().symlink_to(real)
    found = {finding.name: finding for finding in check_server()}
    assert found["tritonserver"].state is State.OK
    assert list(embedded_root().parent.iterdir()) == [embedded_root()]


def test_a_stub_of_another_python_is_a_note_and_none_at_all_is_missing() -> None:
    assert diagnosis._stub("3.8", PYTHON).state is State.NOTE
    assert diagnosis._stub(None, PYTHON).state is State.MISSING
