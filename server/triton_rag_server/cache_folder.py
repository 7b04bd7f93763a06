"""Where this machine keeps what is fetched or computed once: the embedded server, perf_analyzer, build
artifacts.
"""

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from triton_rag_server.errors import ServerNotFoundError

__all__ = ["cache_folder", "locked", "writable_folder"]

CACHE_VARIABLE = "TRITON_RAG_CACHE"


def cache_folder() -> Path:
    """The cache folder: `$TRITON_RAG_CACHE`, else `~/.cache/triton-rag` (it may not exist yet).

    A user without a home folder, as in some containers, gets a folder of its own under the temporary folder.
    """
    named = os.environ.get(CACHE_VARIABLE)
    if named:
        return Path(named).expanduser().absolute()
    try:
        home = Path.home()
    except RuntimeError:
        return Path(tempfile.gettempdir()) / f"triton-rag-{os.getuid()}"
    return home / ".cache" / "triton-rag"


def writable_folder(folder: Path) -> Path:
    """Create `folder` if need be and check that files can be written there.

    Raises:
        ServerNotFoundError: It cannot be created or written; the message names the variable to set.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _not_writable(folder, error.strerror or str(error)) from error
    if not os.access(folder, os.W_OK):
        raise _not_writable(folder, "permission denied")
    return folder


@contextmanager
def locked(file: Path) -> Iterator[None]:
    """Hold an exclusive lock on `file` (created if missing), for processes that start together."""
    with file.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _not_writable(folder: Path, why: str) -> ServerNotFoundError:
    return ServerNotFoundError(
        f"the cache folder {folder} cannot be written ({why}): set {CACHE_VARIABLE} to a folder that can"
    )
