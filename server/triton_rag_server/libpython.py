"""The running Python's shared library, to which Triton's stub (the process of a Python model) is linked.

Debian and Ubuntu ship it as a package of its own, which `python3` does not bring; pyenv and conda keep it in
a folder of theirs. This file imports nothing but the standard library, so that it can be run before anything
is installed: `python -I libpython.py` says what is missing and ends with status 1.
"""

import sys
import sysconfig
from pathlib import Path

__all__ = ["libpython_advice", "libpython_folder", "libpython_name"]


def libpython_name() -> str:
    """The running Python's shared library, such as `libpython3.11.so.1.0`."""
    return f"libpython{sys.version_info.major}.{sys.version_info.minor}.so.1.0"


def libpython_folder() -> Path | None:
    """The folder that holds the running Python's shared library; None leaves the search to the loader."""
    library_folder = sysconfig.get_config_var("LIBDIR")
    architecture = sysconfig.get_config_var("MULTIARCH")
    candidates = [Path(sys.base_prefix) / "lib"]
    if library_folder:
        candidates.insert(0, Path(library_folder))
        if architecture:
            candidates.append(Path(library_folder) / architecture)
    return next((folder for folder in candidates if (folder / libpython_name()).is_file()), None)


def libpython_advice() -> str:
    """What to do when it is missing."""
    package = libpython_name().removesuffix(".so.1.0")
    return f"sudo apt-get install {package}; with pyenv, build Python with --enable-shared"


if __name__ == "__main__":
    if libpython_folder() is None:
        sys.exit(f"{libpython_name()} is missing, which Triton's Python models need: {libpython_advice()}")
