from pathlib import Path

import pytest
from triton_rag_client.load.perf_analyzer_program import (
    PerfAnalyzer,
    find_perf_analyzer,
    installed_perf_analyzer,
)
from triton_rag_server.cache_folder import CACHE_VARIABLE
from triton_rag_server.libraries import missing_libraries


def test_the_one_on_path_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "perf_analyzer"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    found = find_perf_analyzer()
    assert isinstance(found, PerfAnalyzer)
    assert (found.program, found.origin) == (program, "PATH")


def test_a_fetched_one_finds_its_libraries_in_the_embedded_triton() -> None:
    found = find_perf_analyzer()
    if isinstance(found, str):
        pytest.skip(found)
    assert missing_libraries(found.program, found.environment) == ()
    assert installed_perf_analyzer() == found


def test_where_there_is_no_embedded_triton_it_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    found = find_perf_analyzer()
    assert isinstance(found, str)
    assert "no perf_analyzer on PATH" in found
