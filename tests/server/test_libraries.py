import os
import sys
from pathlib import Path

import pytest
from triton_rag_server import MissingLibraryError, ServerNotFoundError, find_tritonserver
from triton_rag_server.libpython import libpython_name
from triton_rag_server.libraries import check_libraries, missing_libraries

LATER_PYTHON = "libpython3.99.so.1.0"


@pytest.fixture
def foreign_stub(tmp_path: Path) -> Path:
    """The real stub, linked to the library of a Python that no machine has."""
    own = find_tritonserver("embedded").stub.read_bytes()
    stub = tmp_path / "stub"
    stub.write_bytes(own.replace(libpython_name().encode(), LATER_PYTHON.encode()))
    stub.chmod(0o755)
    return stub


def test_the_embedded_server_finds_all_its_libraries() -> None:
    found = find_tritonserver("embedded")
    check_libraries([found.program, found.stub], found.environment)


def test_a_stub_without_its_python_names_the_library_and_the_package(foreign_stub: Path) -> None:
    environment = find_tritonserver("embedded").environment
    folder = find_tritonserver("embedded").root.parents[1] / "nvidia_pytriton.libs"
    environment["LD_LIBRARY_PATH"] += f"{os.pathsep}{folder}"
    with pytest.raises(MissingLibraryError) as caught:
        check_libraries([foreign_stub], environment)
    assert str(caught.value) == f"missing shared library {LATER_PYTHON}: sudo apt-get install libpython3.99"


def test_a_library_of_no_known_package_is_named_too(foreign_stub: Path) -> None:
    # Copied out of its place, the stub misses NVIDIA's runtime as well.
    missing = missing_libraries(foreign_stub, {})
    assert any(name.startswith("libcudart") for name in missing)
    with pytest.raises(MissingLibraryError, match="ldconfig"):
        check_libraries([foreign_stub], {})


def test_what_is_no_program_is_told_as_such(tmp_path: Path) -> None:
    text = tmp_path / "notes"
    text.write_text("not a program")
    text.chmod(0o755)
    with pytest.raises(ServerNotFoundError, match=r"notes cannot be run \(Exec format error\): name"):
        check_libraries([text], {})


def test_asking_does_not_run_the_program(tmp_path: Path) -> None:
    assert missing_libraries(Path(sys.executable).resolve(), {"HOME": str(tmp_path)}) == ()
