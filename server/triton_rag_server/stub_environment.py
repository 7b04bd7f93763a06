"""The Python environment in which stubs older than NumPy 2 run models: this one's packages, but NumPy 1.26
(`numpy_for_stubs.py`).

The stubs in `nvidia-pytriton` 0.7.0 ignore PYTHONPATH and find packages through the `python3` on PATH, as a
virtual environment does (seen on a real server). So PATH leads to a small virtual environment which puts the
older NumPy before the packages of the Python that starts the server. That one keeps its own NumPy.
"""

import hashlib
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from triton_rag_server.cache_folder import cache_folder, locked, writable_folder

__all__ = ["prepare_stub_environment", "stub_environment"]


def stub_environment(numpy: Path) -> Path:
    """The folder of the environment for the running Python, whether or not it has been made.

    Args:
        numpy: The folder that holds the older NumPy.
    """
    return _Contents.of(numpy).folder


def prepare_stub_environment(numpy: Path) -> None:
    """Make the environment for the running Python, unless it is there.

    Args:
        numpy: The folder that holds the older NumPy.

    Raises:
        ServerNotFoundError: The cache folder cannot be written.
    """
    contents = _Contents.of(numpy)
    if not contents.folder.is_dir():
        folder = writable_folder(contents.folder.parent)
        with locked(folder / f"{contents.folder.name}.lock"):
            if not contents.folder.is_dir():
                _write_environment(contents)


@dataclass(frozen=True, slots=True)
class _Contents:
    """An environment, in a folder that is named after what is in it."""

    folder: Path
    interpreter: Path
    settings: str
    paths: str

    @classmethod
    def of(cls, numpy: Path) -> "_Contents":
        interpreter = Path(getattr(sys, "_base_executable", sys.executable))
        settings = f"home = {interpreter.parent}\ninclude-system-site-packages = false\n"
        paths = "".join(f"{line}\n" for line in _path_lines(numpy))
        identity = hashlib.sha256((settings + paths).encode()).hexdigest()[:16]
        return cls(cache_folder() / "tritonserver" / f"environment-{identity}", interpreter, settings, paths)


def _path_lines(numpy: Path) -> list[str]:
    """Lines of a .pth file: NumPy 1.26 first, then this Python's own packages with their .pth files."""
    packages = [folder for folder in sys.path if Path(folder).name in ("site-packages", "dist-packages")]
    return [
        str(numpy),
        *(f"import site; site.addsitedir({str(Path(folder).absolute())!r})" for folder in packages),
    ]


def _write_environment(contents: _Contents) -> None:
    with tempfile.TemporaryDirectory(dir=contents.folder.parent, prefix="environment-") as work:
        made = Path(work) / "made"
        version = f"python{sys.version_info.major}.{sys.version_info.minor}"
        packages = made / "lib" / version / "site-packages"
        packages.mkdir(parents=True)
        (packages / "triton_rag.pth").write_text(contents.paths, encoding="utf-8")
        (made / "pyvenv.cfg").write_text(contents.settings, encoding="utf-8")
        (made / "bin").mkdir()
        (made / "bin" / "python3").symlink_to(contents.interpreter)
        made.chmod(0o755)
        made.rename(contents.folder)
