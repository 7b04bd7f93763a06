"""The Python environment in which the embedded server runs models: this one's packages, but an older NumPy.

Two facts of the stubs in `nvidia-pytriton` 0.7.0, seen on a real server, make it necessary. They ignore
PYTHONPATH and find packages through the `python3` on PATH, as a virtual environment does. And their pybind11
is older than NumPy 2: under NumPy 2 a text tensor ends the stub and a numeric one reads garbage. So PATH
leads to a small virtual environment which puts NumPy 1.26 before the packages of the Python that starts the
server. That one keeps its own NumPy.
"""

import hashlib
import sys
import tempfile
from pathlib import Path

from triton_rag_server.cache_folder import locked, writable_folder

__all__ = ["NUMPY_FOLDER", "NUMPY_VERSION", "prepare_stub_environment"]

NUMPY_VERSION = "1.26.4"
NUMPY_FOLDER = "python-packages"


def prepare_stub_environment(root: Path) -> Path:
    """Make the environment for the running Python, unless it is there, and return its `bin/` folder for PATH.

    Args:
        root: The embedded server's folder; its `python-packages/` holds NumPy.

    Raises:
        ServerNotFoundError: The cache folder cannot be written.
    """
    interpreter = Path(getattr(sys, "_base_executable", sys.executable))
    settings = f"home = {interpreter.parent}\ninclude-system-site-packages = false\n"
    paths = "".join(f"{line}\n" for line in _path_lines(root))
    identity = hashlib.sha256((settings + paths).encode()).hexdigest()[:16]
    environment = root.parent / f"environment-{identity}"
    if not environment.is_dir():
        folder = writable_folder(environment.parent)
        with locked(folder / f"{environment.name}.lock"):
            if not environment.is_dir():
                _write_environment(environment, interpreter, settings, paths)
    return environment / "bin"


def _path_lines(root: Path) -> list[str]:
    """Lines of a .pth file: NumPy 1.26 first, then this Python's own packages with their .pth files."""
    packages = [folder for folder in sys.path if Path(folder).name in ("site-packages", "dist-packages")]
    return [
        str(root / NUMPY_FOLDER),
        *(f"import site; site.addsitedir({str(Path(folder).absolute())!r})" for folder in packages),
    ]


def _write_environment(environment: Path, interpreter: Path, settings: str, paths: str) -> None:
    with tempfile.TemporaryDirectory(dir=environment.parent, prefix="environment-") as work:
        made = Path(work) / "made"
        version = f"python{sys.version_info.major}.{sys.version_info.minor}"
        packages = made / "lib" / version / "site-packages"
        packages.mkdir(parents=True)
        (packages / "triton_rag.pth").write_text(paths, encoding="utf-8")
        (made / "pyvenv.cfg").write_text(settings, encoding="utf-8")
        (made / "bin").mkdir()
        (made / "bin" / "python3").symlink_to(interpreter)
        made.chmod(0o755)
        made.rename(environment)
