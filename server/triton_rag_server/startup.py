"""The time between a server's start and its readiness: progress, and every way in which it can end badly."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from triton_rag_server.errors import (
    ModelLoadError,
    PortInUseError,
    ServerDiedError,
    ServerStartError,
    StartTimeoutError,
)
from triton_rag_server.log import Failure, find_failure, loaded_models, stuck_model
from triton_rag_server.process import TetheredProcess

__all__ = ["StartProgress", "Startup"]

_POLL_S = 0.1


@dataclass(frozen=True, slots=True)
class StartProgress:
    """How far a start has come.

    Attributes:
        step: What is being done, for people.
        loaded: Models loaded so far.
        models: All models to load.
    """

    step: str
    loaded: tuple[str, ...] = ()
    models: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Startup:
    """How a server that starts is looked at.

    Attributes:
        models: The models it loads.
        log_file: Its log.
        timeout_s: Longest time until it is ready.
        is_ready: Whether it is.
        is_cancelled: Whether nobody waits for it any more.
        progress: Told how far it has come.
    """

    models: tuple[str, ...]
    log_file: Path
    timeout_s: float
    is_ready: Callable[[], bool]
    is_cancelled: Callable[[], bool]
    progress: Callable[[StartProgress], None]

    def wait(self, process: TetheredProcess) -> None:
        """Wait until the server is ready.

        Raises:
            ServerStartError: It is not and will not be; the message names the cause.
        """
        deadline_s = time.monotonic() + self.timeout_s
        while not self.is_ready():
            log = self._log()
            stuck = stuck_model(log)
            if stuck is not None:
                raise self._error_of(stuck, process)
            self.progress(StartProgress("loading models", loaded_models(log), self.models))
            if process.wait(_POLL_S):
                raise self._error_of(find_failure(self._log()), process)
            if time.monotonic() > deadline_s:
                raise self._timeout(log)
            if self.is_cancelled():
                raise ServerStartError("stopped before it was ready", self.log_file)
        self.progress(StartProgress("ready", self.models, self.models))

    def _log(self) -> str:
        return self.log_file.read_text(encoding="utf-8", errors="replace")

    def _timeout(self, log: str) -> StartTimeoutError:
        missing = ", ".join(sorted(set(self.models) - set(loaded_models(log)))) or "none"
        return StartTimeoutError(
            f"not ready after {self.timeout_s:g} s, models not loaded: {missing}; "
            "allow more time or look into the log",
            self.log_file,
        )

    def _error_of(self, failure: Failure, process: TetheredProcess) -> ServerStartError:
        if failure.kind == "model":
            return ModelLoadError(failure.subject, failure.reason, self.log_file)
        if failure.kind == "port":
            return PortInUseError(f"{failure.reason}: choose another one, 0 takes a free one", self.log_file)
        return ServerDiedError(
            f"tritonserver ended (status {process.returncode}): {failure.reason}", self.log_file
        )
