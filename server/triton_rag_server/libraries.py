"""Shared libraries that the server needs, found or named before it starts.

Without one of them, as the `libpython3.X.so.1.0` that each model's process is linked to (`libpython`), the
process ends before it can say why, so they are looked up here first.
"""

import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from triton_rag_server.errors import MissingLibraryError, ServerNotFoundError

__all__ = ["check_libraries", "missing_libraries"]

_APT_PACKAGES = {
    "libz.so.1": "zlib1g",
    "libstdc++.so.6": "libstdc++6",
    "libgcc_s.so.1": "libgcc-s1",
    "libexpat.so.1": "libexpat1",
}
_NOT_FOUND = re.compile(r"^\s*(\S+) => not found", re.MULTILINE)
_TOO_OLD = re.compile(r"version `(\S+)' not found")


def missing_libraries(program: Path, environment: Mapping[str, str]) -> tuple[str, ...]:
    """Names of shared libraries, or of versions in them, that `program` needs and the loader does not find.

    The loader itself is asked (`LD_TRACE_LOADED_OBJECTS`, as `ldd` does); the program does not run.

    Raises:
        ServerNotFoundError: It is no program, or one for another kind of machine.
    """
    try:
        traced = subprocess.run(
            [program],
            env={**environment, "LD_TRACE_LOADED_OBJECTS": "1"},
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
    except OSError as error:
        raise ServerNotFoundError(
            f"{program} cannot be run ({error.strerror}): name the program itself, for this kind of machine"
        ) from error
    listing = traced.stdout + traced.stderr
    return tuple(dict.fromkeys(_NOT_FOUND.findall(listing) + _TOO_OLD.findall(listing)))


def check_libraries(programs: Sequence[Path], environment: Mapping[str, str]) -> None:
    """Refuse to start programs whose shared libraries are not all there.

    Raises:
        ServerNotFoundError: One of them is no program.
        MissingLibraryError: Names the libraries and, for Debian and Ubuntu, the command that brings them.
    """
    missing = [name for program in programs for name in missing_libraries(program, environment)]
    if missing:
        raise MissingLibraryError(_explanation(tuple(dict.fromkeys(missing))))


def _explanation(missing: tuple[str, ...]) -> str:
    names = ", ".join(missing)
    symbols = [name for name in missing if ".so" not in name]
    if symbols:
        glibc = os.confstr("CS_GNU_LIBC_VERSION") or "an unknown C library"
        return f"tritonserver needs {names}, this machine has {glibc}: use Debian 12, Ubuntu 22.04 or newer"
    packages = [package for name in missing if (package := _apt_package(name)) is not None]
    if len(packages) == len(missing):
        return f"missing shared library {names}: sudo apt-get install {' '.join(packages)}"
    return f"missing shared library {names}: install it and see that the loader finds it (ldconfig -p)"


def _apt_package(library: str) -> str | None:
    python = re.fullmatch(r"libpython(\d+\.\d+)\.so\.1\.0", library)
    return f"libpython{python[1]}" if python else _APT_PACKAGES.get(library)
