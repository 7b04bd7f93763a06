import importlib.util
from importlib.machinery import ModuleSpec

import pytest
from triton_rag_client.diagnosis import State, check_packages, packages
from triton_rag_server.missing_packages import install_command


def test_installed_packages_come_with_their_versions() -> None:
    found = {finding.name: finding for finding in check_packages()}
    assert found["Serving"].state is State.OK
    assert "faiss-cpu 1." in found["Serving"].detail
    assert found["ONNX Runtime"].detail.startswith("onnxruntime 1.")


def test_a_missing_package_is_named_with_the_extra_that_brings_it(monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.util.find_spec

    def without(name: str) -> ModuleSpec | None:
        return None if name in ("faiss", "torch") else real(name)

    monkeypatch.setattr(importlib.util, "find_spec", without)
    found = {finding.name: finding for finding in check_packages()}
    assert (found["Serving"].state, found["Serving"].detail) == (State.MISSING, "not installed: faiss-cpu")
    assert found["Serving"].advice == install_command("serve", "cpu")
    assert (found["Building"].state, found["Building"].detail) == (State.NOTE, "not installed: torch")


@pytest.mark.parametrize(
    ("installed", "detail"),
    [({}, "not installed"), ({"onnxruntime": "1", "onnxruntime-gpu": "1"}, "both packages are installed")],
)
def test_there_is_one_onnx_runtime(
    installed: dict[str, str], detail: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packages, "_version", lambda package: installed.get(package, ""))
    found = packages._onnxruntime()
    assert found.state is State.MISSING
    assert found.detail.startswith(detail)
