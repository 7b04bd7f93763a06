"""A Triton that serves one model repository: started, waited for, drained and stopped, from Python.

with TritonServer(Path("build/repository")) as server:
    print(server.grpc_url)
"""

import os
import secrets
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Self, TypedDict, Unpack

from triton_rag_server.errors import (
    ModelLoadError,
    PortInUseError,
    ServerDiedError,
    ServerStartError,
    StartTimeoutError,
)
from triton_rag_server.find import TritonInstallation, find_tritonserver
from triton_rag_server.libraries import check_libraries
from triton_rag_server.log import Failure, find_failure, loaded_models, stuck_model
from triton_rag_server.options import ModelControlMode, ServerOptions, command_line, served_models
from triton_rag_server.ports import reserved_ports
from triton_rag_server.process import TetheredProcess
from triton_rag_server.readiness import answers, is_ready, server_name

__all__ = ["ServerOptionValues", "StartProgress", "TritonServer"]

_POLL_S = 0.1
# Beyond the time that running requests get: unloading the models, which looks once a second.
_UNLOAD_S = 10.0


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


class ServerOptionValues(TypedDict, total=False):
    """The fields of `ServerOptions`, as keyword arguments."""

    host: str
    http_port: int
    grpc_port: int
    metrics_port: int
    start_timeout_s: float
    drain_timeout_s: float
    shm_default_bytes: int
    response_cache_bytes: int
    strict_readiness: bool
    model_control_mode: ModelControlMode
    extra_arguments: tuple[str, ...]


class TritonServer:
    """A tritonserver process over a model repository; a context manager.

    Attributes:
        repository: The folder it serves.
        options: How it serves it; after `start`, with the ports it really has.
        log_file: Its log. One of our own choosing is removed when it stops well.
    """

    def __init__(
        self,
        repository: Path | str,
        *,
        tritonserver: Path | str | None = None,
        log_file: Path | None = None,
        environment: Mapping[str, str] | None = None,
        progress: Callable[[StartProgress], None] | None = None,
        **options: Unpack[ServerOptionValues],
    ) -> None:
        """Describe the server; nothing is started.

        Args:
            repository: A model repository.
            tritonserver: As for `find_tritonserver`.
            log_file: Where the server's output goes; by default a temporary file.
            environment: Variables added to the server's.
            progress: Called while it starts.
            options: See `ServerOptions`.
        """
        self.repository = Path(repository).absolute()
        self.options = ServerOptions(**options)
        self.log_file = log_file
        self._keeps_log = log_file is not None
        self._tritonserver = tritonserver
        self._environment = dict(environment or {})
        self._progress = progress or (lambda _: None)
        self._process: TetheredProcess | None = None
        self._id = f"triton-rag-{os.getpid()}-{secrets.token_hex(4)}"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def http_url(self) -> str:
        """Such as `http://127.0.0.1:8000`."""
        return f"http://{self._client_host}:{self.options.http_port}"

    @property
    def grpc_url(self) -> str:
        """Such as `grpc://127.0.0.1:8001`."""
        return f"grpc://{self._client_host}:{self.options.grpc_port}"

    @property
    def metrics_url(self) -> str:
        """Such as `http://127.0.0.1:8002/metrics`."""
        return f"http://{self._client_host}:{self.options.metrics_port}/metrics"

    @property
    def pid(self) -> int | None:
        """The process id while it runs."""
        return self._process.pid if self._process is not None and self.is_running else None

    @property
    def is_running(self) -> bool:
        """Whether the process is there; a model may still be loading or gone."""
        return self._process is not None and self._process.returncode is None

    @property
    def returncode(self) -> int | None:
        """The exit status of a server that has ended, or minus the signal that ended it."""
        return None if self._process is None else self._process.returncode

    def start(self) -> None:
        """Start the server and wait until every model is ready.

        Raises:
            RepositoryNotServableError: There is nothing to serve.
            ServerStartError: It does not start; the message names the cause in one line and the log.
        """
        models = served_models(self.repository)
        self._progress(StartProgress("looking for tritonserver", models=models))
        installation = find_tritonserver(
            self._tritonserver, lambda step: self._progress(StartProgress(step, models=models))
        )
        environment = self._server_environment(installation)
        _check_programs(installation, environment)
        with reserved_ports(self.options.host, self.options.ports) as ports:
            self.options = replace(
                self.options, http_port=ports["HTTP"], grpc_port=ports["gRPC"], metrics_port=ports["metrics"]
            )
            command = command_line(self.repository, self.options, ports, installation, self._id)
            self._process = TetheredProcess(command, environment, self._open_log())
            try:
                self._wait_until_ready(self._process, models)
            except BaseException:
                self.kill()
                raise

    def stop(self, drain_timeout_s: float | None = None) -> None:
        """Stop the server: running requests finish first, for `drain_timeout_s` at most, then it is killed.

        No process and no shared memory of it is left. Stopping a server that does not run does nothing.
        """
        process = self._process
        if process is None:
            return
        had_ended = process.returncode is not None
        process.terminate()
        drain_s = self.options.drain_timeout_s if drain_timeout_s is None else drain_timeout_s
        drained = process.wait(drain_s + _UNLOAD_S)
        self.kill()
        if drained and not had_ended and not self._keeps_log and self.log_file is not None:
            self.log_file.unlink(missing_ok=True)

    def kill(self) -> None:
        """End the server, with all its processes, at once; requests in it are lost."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            for segment in Path("/dev/shm").glob(f"{self._id}-*"):
                segment.unlink(missing_ok=True)

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until the server has ended, by itself or not; False when it still runs after `timeout_s`."""
        return self._process is None or self._process.wait(timeout_s)

    def read_log(self) -> str:
        """The log so far; empty when there is none."""
        if self.log_file is None or not self.log_file.exists():
            return ""
        return self.log_file.read_text(encoding="utf-8", errors="replace")

    @property
    def _client_host(self) -> str:
        """Where a client on this machine reaches it: an address to listen on may mean all of them."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.options.host, self.options.host)
        return f"[{host}]" if ":" in host else host

    def _server_environment(self, installation: TritonInstallation) -> dict[str, str]:
        environment = installation.environment | self._environment
        # Weights in huge pages: 5 to 20% faster matrix products on a CPU (glibc 2.35 and newer).
        environment.setdefault("GLIBC_TUNABLES", "glibc.malloc.hugetlb=1")
        return environment

    def _open_log(self) -> Path:
        if self.log_file is None:
            handle, name = tempfile.mkstemp(prefix="triton-rag-", suffix=".log")
            os.close(handle)
            self.log_file = Path(name)
        try:
            self.log_file.parent.mkdir(parents=True, exist_ok=True)
            self.log_file.touch()
        except OSError as error:
            raise ServerStartError(f"the log {self.log_file} cannot be written: {error.strerror}") from error
        return self.log_file

    def _wait_until_ready(self, process: TetheredProcess, models: tuple[str, ...]) -> None:
        deadline = time.monotonic() + self.options.start_timeout_s
        while not self._is_ready():
            log = self.read_log()
            stuck = stuck_model(log)
            if stuck is not None:
                raise self._error_of(stuck)
            self._progress(StartProgress("loading models", loaded_models(log), models))
            if process.wait(_POLL_S):
                raise self._error_of(find_failure(self.read_log()))
            if time.monotonic() > deadline:
                waiting = ", ".join(sorted(set(models) - set(loaded_models(log)))) or "none"
                raise StartTimeoutError(
                    f"not ready after {self.options.start_timeout_s:g} s, models not loaded: {waiting}; "
                    f"allow more time or look into the log",
                    self.log_file,
                )
        self._progress(StartProgress("ready", models, models))

    def _is_ready(self) -> bool:
        host = self._client_host.strip("[]")
        port = self.options.http_port
        # The name tells this server from another one that listens on the port it failed to get.
        return (
            is_ready(host, port)
            and server_name(host, port) == self._id
            and answers(host, self.options.metrics_port, "/metrics")
        )

    def _error_of(self, failure: Failure) -> ServerStartError:
        if failure.kind == "model":
            return ModelLoadError(failure.subject, failure.reason, self.log_file)
        if failure.kind == "port":
            return PortInUseError(f"{failure.reason}: choose another one, 0 takes a free one", self.log_file)
        status = self.returncode
        return ServerDiedError(f"tritonserver ended (status {status}): {failure.reason}", self.log_file)


def _check_programs(installation: TritonInstallation, environment: Mapping[str, str]) -> None:
    programs = [installation.program, installation.stub]
    check_libraries([program for program in programs if os.access(program, os.X_OK)], environment)
