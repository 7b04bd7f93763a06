"""Where perf_analyzer, NVIDIA's load generator, is found: on PATH, beside this Python, or fetched.

The wheel `perf-analyzer` needs glibc 2.38. Older systems get the program from the last wheel of
`tritonclient` that carried it, unpacked to the cache folder and not installed. It lacks two libraries
there; the embedded Triton has both under other names, so that links are enough.
"""

import os
import platform
import shutil
import sys
import tempfile
import zipfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from triton_rag_server import ServerError, cache_folder
from triton_rag_server.cache_folder import locked, writable_folder
from triton_rag_server.embedded import embedded_root, is_prepared
from triton_rag_server.libraries import missing_libraries
from triton_rag_server.wheels import download_wheel

__all__ = ["PerfAnalyzer", "find_perf_analyzer", "installed_perf_analyzer"]

_PACKAGE, _VERSION = "tritonclient", "2.46.0"
_LINKS = {"libb64.so.0d": "libb64-*.so.0d", "libcudart.so.12": "libcudart-*.so.12.*"}


@dataclass(frozen=True, slots=True)
class PerfAnalyzer:
    """A perf_analyzer that runs on this machine.

    Attributes:
        program: The executable.
        environment: The variables to start it with.
        origin: Where it is from, for people.
    """

    program: Path
    environment: dict[str, str]
    origin: str


def find_perf_analyzer(report: Callable[[str], None] = lambda _: None) -> PerfAnalyzer | str:
    """A perf_analyzer that can run, fetched if need be; or why there is none, in one line.

    Args:
        report: Called with a line of text before something is fetched.
    """
    installed = installed_perf_analyzer()
    if installed is not None:
        return installed
    if platform.machine() != "x86_64":
        return f"no perf_analyzer on PATH, and none to fetch for {platform.machine()}"
    if not is_prepared(embedded_root()):
        return "no perf_analyzer on PATH, and no embedded Triton whose libraries a fetched one could use"
    try:
        return _usable(_fetched(report))
    except ServerError as error:
        return f"perf_analyzer cannot be fetched: {error}"


def installed_perf_analyzer() -> PerfAnalyzer | None:
    """One that is here already and finds its libraries; nothing is fetched."""
    for program, origin in _installed():
        with suppress(ServerError):  # it is no program of this machine: look on
            if not missing_libraries(program, os.environ):
                return PerfAnalyzer(program, dict(os.environ), origin)
    fetched = _fetched_root()
    if fetched.is_dir():
        usable = _usable(fetched)
        return usable if isinstance(usable, PerfAnalyzer) else None
    return None


def _fetched_root() -> Path:
    return cache_folder() / "perf_analyzer" / f"{_PACKAGE}-{_VERSION}"


def _installed() -> list[tuple[Path, str]]:
    beside = Path(sys.executable).parent / "perf_analyzer"
    on_path = shutil.which("perf_analyzer")
    found = [(beside, "the wheel perf-analyzer")] if os.access(beside, os.X_OK) else []
    return [*found, (Path(on_path), "PATH")] if on_path else found


def _fetched(report: Callable[[str], None]) -> Path:
    """The folder with the fetched program and its links."""
    root = _fetched_root()
    folder = writable_folder(root.parent)
    with locked(folder / f"{root.name}.lock"):
        if not root.is_dir():
            report(f"downloading perf_analyzer ({_PACKAGE} {_VERSION}, 13 MB, once)")
            with tempfile.TemporaryDirectory(dir=folder) as work:
                made = Path(work) / "made"
                _unpack(download_wheel(_PACKAGE, _VERSION, Path(work)), made)
                made.rename(root)
        _link_libraries(root / "lib")
    return root


def _unpack(wheel: Path, root: Path) -> None:
    name = f"{_PACKAGE}-{_VERSION}.data/data/bin/perf_analyzer"
    with zipfile.ZipFile(wheel) as archive:
        (root / "lib").mkdir(parents=True)
        program = root / "perf_analyzer"
        program.write_bytes(archive.read(name))
    program.chmod(0o755)


def _link_libraries(folder: Path) -> None:
    """Link what the program lacks to what the embedded Triton has; a link that leads nowhere is made anew."""
    for name, pattern in _LINKS.items():
        link = folder / name
        if not link.exists():
            link.unlink(missing_ok=True)
            link.symlink_to(next((embedded_root() / "nvidia_pytriton.libs").glob(pattern)))


def _usable(root: Path) -> PerfAnalyzer | str:
    environment = dict(os.environ)
    old = environment.get("LD_LIBRARY_PATH")
    environment["LD_LIBRARY_PATH"] = os.pathsep.join([str(root / "lib"), *([old] if old else [])])
    missing = missing_libraries(root / "perf_analyzer", environment)
    if missing:
        return f"the fetched perf_analyzer misses {', '.join(missing)}"
    return PerfAnalyzer(root / "perf_analyzer", environment, f"the wheel {_PACKAGE} {_VERSION}")
