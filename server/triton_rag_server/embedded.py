"""The embedded Triton: the real tritonserver inside the wheel `nvidia-pytriton`, unpacked once to the cache
folder.

The wheel's Python package is not imported and not installed (it pins numpy below 2). Its folders keep their
places relative to each other, because its programs find their libraries by relative path. `python -m
triton_rag_server` prepares it ahead of time, as an image build does.
"""

import importlib.metadata
import json
import logging
import platform
import shutil
import sys
import tempfile
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import IO

from triton_rag_server.cache_folder import cache_folder, locked, writable_folder
from triton_rag_server.errors import ServerNotFoundError
from triton_rag_server.numpy_for_stubs import NUMPY_FOLDER, NUMPY_VERSION
from triton_rag_server.wheels import download_wheel

__all__ = ["PACKAGE", "PYTHONS", "VERSION", "embedded_root", "is_prepared", "prepare_embedded"]

PACKAGE = "nvidia-pytriton"
VERSION = "0.7.0"
PYTHONS = ("3.11", "3.12")
"""Those that triton-rag supports; the wheel has stubs for others too."""

_STUB = "triton_python_backend_stub"
_STUBS = "pytriton/tritonserver/python_backend_stubs/"
_WANTED = (
    "pytriton/tritonserver/bin/",
    "pytriton/tritonserver/backends/",
    "pytriton/tritonserver/caches/",
    "nvidia_pytriton.libs/",
    f"{NUMPY_FOLDER}/numpy",
)
_INVENTORY = "inventory.json"

Opener = Callable[[], IO[bytes]]
logger = logging.getLogger(__name__)


def embedded_root() -> Path:
    """Where the embedded server of the running Python lies, or will lie once prepared."""
    name = f"{PACKAGE}-{VERSION}-numpy-{NUMPY_VERSION}-py{_python_version()}-{platform.machine()}"
    return cache_folder() / "tritonserver" / name


def is_prepared(root: Path) -> bool:
    """Whether every file that was unpacked to `root` is still there with its size."""
    try:
        inventory: dict[str, int] = json.loads((root / _INVENTORY).read_text(encoding="utf-8"))
        return all((root / name).stat().st_size == size for name, size in inventory.items())
    except (OSError, ValueError):
        return False


def prepare_embedded(report: Callable[[str], None] | None = None) -> Path:
    """Bring the embedded server to the cache folder, unless it is there, and return its root.

    Safe when several processes call it at once: one works, the others wait and find it done.

    Args:
        report: Called with a line of text before each step that takes seconds.

    Raises:
        ServerNotFoundError: The wheel cannot be had, or has no stub for this Python.
    """
    root = embedded_root()
    if is_prepared(root):
        return root
    say = report or logger.info
    folder = writable_folder(root.parent)
    with locked(folder / f"{root.name}.lock"):
        if is_prepared(root):
            return root
        with tempfile.TemporaryDirectory(dir=folder, prefix="unpacking-") as work:
            unpacked = Path(work) / "root"
            files = _wheel_files(Path(work), say) | _numpy_files(Path(work), say)
            _unpack(files, unpacked, say)
            shutil.rmtree(root, ignore_errors=True)
            unpacked.rename(root)
    return root


def _wheel_files(work: Path, say: Callable[[str], None]) -> dict[str, Opener]:
    """The wheel's files by name: from the environment when it is installed there, else downloaded by pip."""
    try:
        installed = importlib.metadata.distribution(PACKAGE)
    except importlib.metadata.PackageNotFoundError:
        installed = None
    if installed is not None and installed.version == VERSION and installed.files:
        say(f"copying the embedded Triton from the installed {PACKAGE} {VERSION}")
        return {str(file): partial(_open_file, Path(str(file.locate()))) for file in installed.files}
    say(f"downloading the embedded Triton ({PACKAGE} {VERSION}, 55 MB, once)")
    return _archived_files(download_wheel(PACKAGE, VERSION, work))


def _numpy_files(work: Path, say: Callable[[str], None]) -> dict[str, Opener]:
    """The NumPy that the stubs can work with (see `numpy_for_stubs.py`), below a folder of its own."""
    say(f"downloading NumPy {NUMPY_VERSION} for the embedded Triton (18 MB, once)")
    files = _archived_files(download_wheel("numpy", NUMPY_VERSION, work))
    return {f"{NUMPY_FOLDER}/{name}": opener for name, opener in files.items()}


def _archived_files(wheel: Path) -> dict[str, Opener]:
    archive = zipfile.ZipFile(wheel)
    return {name: partial(archive.open, name) for name in archive.namelist()}


def _open_file(path: Path) -> IO[bytes]:
    return path.open("rb")


def _unpack(files: dict[str, Opener], root: Path, say: Callable[[str], None]) -> None:
    stub = f"{_STUBS}{_python_version()}/{_STUB}"
    if stub not in files:
        raise ServerNotFoundError(
            f"the embedded Triton has nothing to run models in Python {_python_version()}: "
            f"make a virtual environment with Python {' or '.join(PYTHONS)}"
        )
    say("unpacking the embedded Triton")
    targets = {name: name for name in files if name.startswith(_WANTED) and not name.endswith("/")}
    targets[stub] = f"pytriton/tritonserver/backends/python/{_STUB}"
    inventory = {target: _copy(files[name], root / target) for name, target in targets.items()}
    (root / _INVENTORY).write_text(json.dumps(inventory, indent=1), encoding="utf-8")


def _copy(opener: Opener, target: Path) -> int:
    target.parent.mkdir(parents=True, exist_ok=True)
    with opener() as source, target.open("wb") as out:
        shutil.copyfileobj(source, out)
    # Programs need it and the rest does not mind: a strict umask must not lock other users out.
    target.chmod(0o755)
    return target.stat().st_size


def _python_version() -> str:
    return f"{sys.version_info.major}.{sys.version_info.minor}"
