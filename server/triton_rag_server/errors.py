"""Errors of the server package: each is one line that says what is wrong and what to do.

ServerError                     everything below
├── RepositoryNotServableError  the folder to serve is missing or holds no model
└── ServerStartError            the server could not be started; the message ends in where its log is
    ├── ServerNotFoundError     no tritonserver, and the embedded one cannot be prepared
    ├── MissingLibraryError     a shared library that the server needs is not on this machine
    ├── PortInUseError          somebody else listens on a port that was asked for
    ├── ModelLoadError          a model did not load: which one and why
    ├── ServerDiedError         the process ended before it was ready
    └── StartTimeoutError       it was not ready in time
"""

import re
from pathlib import Path
from typing import Final

from triton_rag_server.missing_packages import advice_for

__all__ = [
    "MissingLibraryError",
    "ModelLoadError",
    "PortInUseError",
    "RepositoryNotServableError",
    "ServerDiedError",
    "ServerError",
    "ServerNotFoundError",
    "ServerStartError",
    "StartTimeoutError",
]

_NO_MODULE: Final = re.compile(r"No module named '([^']+)'")


class ServerError(Exception):
    """The root of what this package raises on purpose."""


class RepositoryNotServableError(ServerError):
    """The folder to serve is missing or holds no model."""


class ServerStartError(ServerError):
    """The server could not be started.

    Attributes:
        log_file: The server's log, or None when the server was never started.
    """

    def __init__(self, cause: str, log_file: Path | None = None) -> None:
        super().__init__(cause if log_file is None else f"{cause} (log: {log_file})")
        self.cause = cause
        self.log_file = log_file


class ServerNotFoundError(ServerStartError):
    """No tritonserver was found, and the embedded one cannot be prepared."""


class MissingLibraryError(ServerStartError):
    """A shared library that the server needs is not on this machine."""


class PortInUseError(ServerStartError):
    """Somebody else listens on a port that was asked for."""


class ModelLoadError(ServerStartError):
    """A model did not load.

    Attributes:
        model: Its name.
        reason: Why, in one line.
    """

    def __init__(self, model: str, reason: str, log_file: Path | None = None) -> None:
        missing = _NO_MODULE.search(reason)
        advice = f"; for the Python that runs it: {advice_for(missing[1])}" if missing else ""
        super().__init__(f"the model {model!r} does not load: {reason}{advice}", log_file)
        self.model = model
        self.reason = reason


class ServerDiedError(ServerStartError):
    """The process ended before it was ready."""


class StartTimeoutError(ServerStartError):
    """The server was not ready in time."""
