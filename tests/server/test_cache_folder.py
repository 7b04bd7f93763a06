from pathlib import Path

import pytest
from triton_rag_server import ServerNotFoundError
from triton_rag_server.cache_folder import CACHE_VARIABLE, cache_folder, writable_folder


def test_the_variable_names_the_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    assert cache_folder() == tmp_path


def test_the_folder_lies_under_home_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(CACHE_VARIABLE, raising=False)
    monkeypatch.setenv("HOME", "/somewhere")
    assert cache_folder() == Path("/somewhere/.cache/triton-rag")


def test_a_folder_that_cannot_be_made_names_the_variable_to_set(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ServerNotFoundError, match=rf"file/cache.*{CACHE_VARIABLE}"):
        writable_folder(tmp_path / "file" / "cache")
