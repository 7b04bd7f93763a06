"""A Triton that serves one model repository: started, waited for, drained and stopped, from Python.

with TritonServer(Path("build/repository")) as server:
    print(server.grpc_url)
"""

import os
import secrets
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self, Unpack

from triton_rag_server.crash import CrashWatch
from triton_rag_server.drain import EnsembleDrain
from triton_rag_server.errors import ServerStartError
from triton_rag_server.find import TritonInstallation, find_tritonserver
from triton_rag_server.libraries import check_libraries
from triton_rag_server.options import ServerOptions, ServerOptionValues, command_line, served_models
from triton_rag_server.ports import reserved_ports
from triton_rag_server.process import TetheredProcess
from triton_rag_server.readiness import is_ready
from triton_rag_server.startup import StartProgress, Startup
from triton_rag_server.supervisor import Supervisor, running_stubs

__all__ = ["TritonServer"]

# Beyond the time that running requests get: unloading the models, which looks once a second.
_UNLOAD_S = 10.0
# What tritonserver writes before it leaves requests behind.
_EXIT_TIMEOUT = "Exit timeout expired"


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
        self._stubs: dict[int, str] = {}
        self._crash: CrashWatch | None = None
        self._supervisor: Supervisor | None = None
        self._ensembles = EnsembleDrain(self.repository)
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
        if self.is_running:
            raise ServerStartError("this server runs already: stop it first, or make another one")
        self._supervisor = None
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
            model_control = self._ensembles.arguments
            command = command_line(
                self.repository, self.options, ports, installation, self._id, model_control
            )
            self._launch(command, environment, models, self._progress)
        self._supervisor = Supervisor(
            self._fault,
            lambda: self._launch_again(command, environment, models),
            self._end,
            self.options.max_restarts,
        )
        self._supervisor.start()

    def stop(self, drain_timeout_s: float | None = None) -> bool:
        """Stop the server: running requests finish first, for `drain_timeout_s` at most, then it is killed.

        No process and no shared memory of it is left. Stopping a server that does not run does nothing.

        Returns:
            Whether the requests had that time: False when it was up before they had ended.
        """
        if self._supervisor is not None:
            self._supervisor.stop()
        process = self._process
        if process is None:
            return True
        had_ended = process.returncode is not None
        limit_s = self.options.drain_timeout_s if drain_timeout_s is None else drain_timeout_s
        end_s = time.monotonic() + limit_s
        if not had_ended:
            self._ensembles.drain(self._client_host.strip("[]"), self.options.http_port, limit_s)
        process.terminate()
        drained = process.wait(max(0.0, end_s - time.monotonic()) + _UNLOAD_S)
        self._end()
        drained = drained and (had_ended or _EXIT_TIMEOUT not in self.read_log())
        if drained and not had_ended and not self._keeps_log and self.log_file is not None:
            self.log_file.unlink(missing_ok=True)
        return drained

    def kill(self) -> None:
        """End the server, with all its processes, at once; requests in it are lost."""
        if self._supervisor is not None:
            self._supervisor.stop()
        self._end()

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until the server has ended for good; False when it still runs after `timeout_s`."""
        return self._supervisor is None or self._supervisor.wait(timeout_s)

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

    def _launch(
        self,
        command: list[str],
        environment: dict[str, str],
        models: tuple[str, ...],
        progress: Callable[[StartProgress], None],
    ) -> None:
        log_file = self._open_log()
        limit_s = self.options.start_timeout_s
        startup = Startup(models, log_file, limit_s, self._is_ready, self._is_stopping, progress)
        self._process = TetheredProcess(command, environment, log_file)
        try:
            startup.wait(self._process)
        except BaseException:
            self._end()
            raise
        self._stubs = running_stubs(self._process.pid)
        self._crash = CrashWatch(log_file)

    def _launch_again(self, command: list[str], environment: dict[str, str], models: tuple[str, ...]) -> None:
        self._end()
        if self.log_file is not None:  # what it said before it died is kept
            self.log_file.replace(self.log_file.with_suffix(f".previous{self.log_file.suffix}"))
        with reserved_ports(self.options.host, self.options.ports):
            self._launch(command, environment, models, lambda _: None)

    def _end(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            for segment in Path("/dev/shm").glob(f"{self._id}-*"):
                segment.unlink(missing_ok=True)

    def _is_ready(self) -> bool:
        options = self.options
        return is_ready(self._client_host.strip("[]"), options.http_port, options.metrics_port, self._id)

    def _is_stopping(self) -> bool:
        return self._supervisor is not None and self._supervisor.is_stopping

    def _fault(self) -> str | None:
        """What the supervisor has to know: the server has ended, crashed, or lost the process of a model."""
        if not self.is_running or self._process is None:
            return f"tritonserver ended by itself (status {self.returncode})"
        if self._crash is not None and (signal := self._crash.look()) is not None:
            return f"tritonserver crashed (signal {signal})"
        running = running_stubs(self._process.pid)
        dead = sorted({model for pid, model in self._stubs.items() if pid not in running})
        return f"the process of model {', '.join(dead)} died" if dead else None

    def _server_environment(self, installation: TritonInstallation) -> dict[str, str]:
        environment = installation.environment | self._environment
        # Weights in huge pages: 5 to 20% faster matrix products on a CPU (glibc 2.35 and newer).
        environment.setdefault("GLIBC_TUNABLES", "glibc.malloc.hugetlb=1")
        # ONNX Runtime's wheels report to their maker from the import on, unless told not to before it.
        environment.setdefault("ORT_DISABLE_TELEMETRY", "1")
        return environment

    def _open_log(self) -> Path:
        if self.log_file is None:
            handle, name = tempfile.mkstemp(prefix="triton-rag-", suffix=".log")
            os.close(handle)
            self.log_file = Path(name)
        try:
            self.log_file.parent.mkdir(parents=True, exist_ok=True)
            if self.log_file.is_file() and not self.log_file.is_symlink():
                self.log_file.unlink()  # whoever reads the old one sees that this is another
            self.log_file.touch()
        except OSError as error:
            raise ServerStartError(f"the log {self.log_file} cannot be written: {error.strerror}") from error
        return self.log_file


def _check_programs(installation: TritonInstallation, environment: Mapping[str, str]) -> None:
    programs = [installation.program, installation.stub]
    check_libraries([program for program in programs if os.access(program, os.X_OK)], environment)
