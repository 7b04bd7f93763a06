import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from triton_rag_server import TritonServer, find_tritonserver
from triton_rag_server.libpython import libpython_folder
from triton_rag_server.numpy_for_stubs import NUMPY_VERSION, works_with_numpy_2

ModelWriter = Callable[..., Path]


def test_models_see_the_older_numpy_and_everything_else_of_this_environment(
    write_model: ModelWriter, tmp_path: Path
) -> None:
    report = tmp_path / "report"
    look = "import numpy, rich, triton_rag_server as s; print(numpy.__version__, rich.__file__, s.__file__"
    with TritonServer(write_model(initialize=f"{look}, file=open({str(report)!r}, 'w'))")):
        pass
    numpy_version, rich_file, editable_file = report.read_text().split()
    assert numpy_version == NUMPY_VERSION != np.__version__
    assert Path(rich_file).is_relative_to(sys.prefix)
    assert editable_file.endswith("server/triton_rag_server/__init__.py")


def test_a_server_of_ones_own_that_is_older_than_numpy_2_gets_the_older_one_too(
    write_model: ModelWriter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LD_LIBRARY_PATH", str(libpython_folder() or ""))
    report = tmp_path / "report"
    look = "import numpy, rich; print(numpy.__version__, rich.__file__"
    named = find_tritonserver("embedded").program
    repository = write_model(initialize=f"{look}, file=open({str(report)!r}, 'w'))")
    with TritonServer(repository, tritonserver=named):
        pass
    numpy_version, rich_file = report.read_text().split()
    assert numpy_version == NUMPY_VERSION
    assert Path(rich_file).is_relative_to(sys.prefix)


def test_a_program_tells_whether_it_works_with_numpy_2() -> None:
    assert not works_with_numpy_2(find_tritonserver("embedded").stub)
    built_for_both = next(Path(onnxruntime.__file__).parent.glob("capi/onnxruntime_pybind11_state*.so"))
    assert works_with_numpy_2(built_for_both)


def test_the_environment_is_a_python_of_its_own_that_works() -> None:
    first_on_path = find_tritonserver("embedded").environment["PATH"].split(":")[0]
    code = "import sys, numpy; print(sys.version_info[:2], numpy.__version__)"
    done = subprocess.run(
        [f"{first_on_path}/python3", "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == f"{sys.version_info[:2]} {NUMPY_VERSION}"


def test_it_is_made_once() -> None:
    assert (
        find_tritonserver("embedded").environment["PATH"] == find_tritonserver("embedded").environment["PATH"]
    )
