"""The NumPy that Triton's stubs (the processes of Python models) can work with.

The pybind11 in the stubs of tritonserver 2.51 and 2.52 is older than NumPy 2: under NumPy 2 a text tensor
ends the stub and a numeric one reads garbage (seen on a real server). A newer pybind11 knows where NumPy 2
keeps its core, `numpy._core`, and that name stands in the program.
"""

import platform
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

from triton_rag_server.cache_folder import cache_folder, locked, writable_folder
from triton_rag_server.wheels import download_wheel

__all__ = ["NUMPY_FOLDER", "NUMPY_VERSION", "numpy_folder", "prepare_numpy", "works_with_numpy_2"]

NUMPY_VERSION = "1.26.4"
NUMPY_FOLDER = "python-packages"

# The first eight of its characters: a compiler may keep them in an instruction, and the rest elsewhere.
_NUMPY_2_CORE = b"numpy._core"[:8]


def works_with_numpy_2(stub: Path) -> bool:
    """Whether a stub can work with NumPy 2, as its program tells."""
    return _NUMPY_2_CORE in stub.read_bytes()


def numpy_folder() -> Path:
    """Where the older NumPy for a tritonserver that is not the embedded one lies, or will lie."""
    python = f"py{sys.version_info.major}.{sys.version_info.minor}"
    return cache_folder() / "tritonserver" / f"numpy-{NUMPY_VERSION}-{python}-{platform.machine()}"


def prepare_numpy(report: Callable[[str], None] | None = None) -> None:
    """Bring the older NumPy to `numpy_folder()`, unless it is there.

    Args:
        report: Called with a line of text before it is downloaded.

    Raises:
        ServerNotFoundError: It cannot be had.
    """
    target = numpy_folder()
    if target.is_dir():
        return
    folder = writable_folder(target.parent)
    with locked(folder / f"{target.name}.lock"):
        if target.is_dir():
            return
        if report is not None:
            report(f"downloading NumPy {NUMPY_VERSION}, since this tritonserver cannot work with NumPy 2")
        with tempfile.TemporaryDirectory(dir=folder, prefix="unpacking-") as work:
            made = Path(work) / "made"
            with zipfile.ZipFile(download_wheel("numpy", NUMPY_VERSION, Path(work))) as wheel:
                wheel.extractall(made)
            made.rename(target)
