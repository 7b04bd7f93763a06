"""Which tritonserver to start: the one named, the one on PATH, the one of NVIDIA's container image, or the
embedded one.

Each comes with the environment it has to run in. Only the embedded server is known to run models in the
very Python that runs this; any other runs them in the Python its stub is linked to, which gets this
environment's packages, with a NumPy that it can work with, only when the versions agree.
"""

import os
import re
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from triton_rag_server.embedded import embedded_root, is_prepared, prepare_embedded
from triton_rag_server.errors import ServerNotFoundError
from triton_rag_server.libpython import libpython_folder
from triton_rag_server.numpy_for_stubs import NUMPY_FOLDER, numpy_folder, prepare_numpy, works_with_numpy_2
from triton_rag_server.stub_environment import prepare_stub_environment, stub_environment

__all__ = [
    "CONTAINER_PATH",
    "EMBEDDED",
    "TritonInstallation",
    "find_tritonserver",
    "installed_tritonserver",
    "stub_python",
]

CONTAINER_PATH = Path("/opt/tritonserver/bin/tritonserver")
EMBEDDED: Final = "embedded"

Origin = Literal["option", "PATH", "container", "embedded"]


@dataclass(frozen=True, slots=True)
class TritonInstallation:
    """A tritonserver and what it needs beside it.

    Attributes:
        program: The executable.
        root: The folder with `bin/`, `backends/` and `caches/`.
        origin: How it was found.
        environment: The variables to start it with.
    """

    program: Path
    root: Path
    origin: Origin
    environment: dict[str, str]

    @property
    def backends(self) -> Path:
        """The folder of its backends."""
        return self.root / "backends"

    @property
    def caches(self) -> Path:
        """The folder of its response caches."""
        return self.root / "caches"

    @property
    def stub(self) -> Path:
        """The program in which it runs Python models."""
        return self.backends / "python" / "triton_python_backend_stub"


def find_tritonserver(
    tritonserver: Path | str | None = None, report: Callable[[str], None] | None = None
) -> TritonInstallation:
    """Find the server to start, preparing what it lacks: the embedded one, or a NumPy for another.

    Args:
        tritonserver: An executable to use and nothing else, or `"embedded"` to pass over any other.
        report: Called with a line of text before a step that takes seconds.

    Raises:
        ServerNotFoundError: The one named is not an executable, or the embedded one, or its NumPy, cannot be
            prepared.
    """
    found = installed_tritonserver(tritonserver)
    if found is None:
        found = _embedded(prepare_embedded(report))
    if found.origin == EMBEDDED:
        prepare_stub_environment(found.root.parents[1] / NUMPY_FOLDER)
    elif str(numpy_folder()) in found.environment.get("PYTHONPATH", "").split(os.pathsep):
        prepare_numpy(report)
        prepare_stub_environment(numpy_folder())
    return found


def installed_tritonserver(tritonserver: Path | str | None = None) -> TritonInstallation | None:
    """The server that `find_tritonserver` finds without preparing the embedded one, or None. Writes nothing.

    Raises:
        ServerNotFoundError: The one named is not an executable.
    """
    if tritonserver is not None and str(tritonserver) != EMBEDDED:
        return _installation(_executable(Path(tritonserver)), "option")
    if tritonserver is None:
        on_path = shutil.which("tritonserver")
        if on_path is not None:
            return _installation(Path(on_path).resolve(), "PATH")
        if os.access(CONTAINER_PATH, os.X_OK):
            return _installation(CONTAINER_PATH, "container")
    cached = embedded_root()
    return _embedded(cached) if is_prepared(cached) else None


def stub_python(stub: Path) -> str | None:
    """The Python version that a stub is linked to, such as `3.11`; None when there is no such stub."""
    try:
        linked = re.search(rb"libpython(3\.\d+)\.so", stub.read_bytes())
    except OSError:
        return None
    return linked[1].decode() if linked else None


def _executable(path: Path) -> Path:
    if path.is_dir():
        path = path / "bin" / "tritonserver"
    if not os.access(path, os.X_OK):
        raise ServerNotFoundError(
            f"{path} is not an executable tritonserver: name the program itself, "
            f"or leave the option away to use the embedded one"
        )
    return path.resolve()


def _installation(program: Path, origin: Origin) -> TritonInstallation:
    installation = TritonInstallation(program, program.parent.parent, origin, dict(os.environ))
    if stub_python(installation.stub) == f"{sys.version_info.major}.{sys.version_info.minor}":
        folders = _package_folders()
        if not works_with_numpy_2(installation.stub):
            folders.insert(0, str(numpy_folder()))
            _prepend(installation.environment, "PATH", [str(stub_environment(numpy_folder()) / "bin")])
        _prepend(installation.environment, "PYTHONPATH", folders)
    return installation


def _embedded(cached: Path) -> TritonInstallation:
    """The embedded server in its folder, with the variables for its models.

    They are the environment that its stub can work with, and this Python's library.
    """
    environment = dict(os.environ)
    _prepend(environment, "PATH", [str(stub_environment(cached / NUMPY_FOLDER) / "bin")])
    library_folder = libpython_folder()
    if library_folder is not None:
        _prepend(environment, "LD_LIBRARY_PATH", [str(library_folder)])
    root = cached / "pytriton" / "tritonserver"
    return TritonInstallation(root / "bin" / "tritonserver", root, EMBEDDED, environment)


def _package_folders() -> list[str]:
    return [folder for folder in sys.path if Path(folder).name in ("site-packages", "dist-packages")]


def _prepend(environment: dict[str, str], variable: str, folders: list[str]) -> None:
    old = [folder for folder in environment.get(variable, "").split(os.pathsep) if folder]
    environment[variable] = os.pathsep.join([*folders, *(folder for folder in old if folder not in folders)])
