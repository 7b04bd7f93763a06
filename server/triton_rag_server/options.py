"""How to serve, and the command line of tritonserver that says so."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from triton_rag_server.errors import RepositoryNotServableError
from triton_rag_server.find import TritonInstallation

__all__ = ["ServerOptionValues", "ServerOptions", "command_line", "served_models"]


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """How to serve a repository.

    Attributes:
        host: Address to listen on; the default takes requests of this machine only.
        http_port: Port of HTTP; 0 takes a free one, as for the two below.
        grpc_port: Port of gRPC.
        metrics_port: Port of the Prometheus metrics.
        start_timeout_s: Longest time until every model is loaded.
        drain_timeout_s: Longest time that running requests get to finish once the server is told to stop.
        shm_default_bytes: Shared memory of each Python model at start. It grows by itself, at some cost;
            seven models of 4 MiB fit into the 64 MiB that a container has unless told otherwise.
        max_restarts: How often within 300 s the server is started again when it, or a model's process, dies.
        strict_readiness: Ready means that every model is available, not only the server.
        extra_arguments: More arguments for tritonserver, as they are.
    """

    host: str = "127.0.0.1"
    http_port: int = 0
    grpc_port: int = 0
    metrics_port: int = 0
    start_timeout_s: float = 600.0
    drain_timeout_s: float = 30.0
    shm_default_bytes: int = 4 * 2**20
    max_restarts: int = 3
    strict_readiness: bool = True
    extra_arguments: tuple[str, ...] = ()

    @property
    def ports(self) -> dict[str, int]:
        """Port by service, zeros included."""
        return {"HTTP": self.http_port, "gRPC": self.grpc_port, "metrics": self.metrics_port}


class ServerOptionValues(TypedDict, total=False):
    """The fields of `ServerOptions`, as keyword arguments."""

    host: str
    http_port: int
    grpc_port: int
    metrics_port: int
    start_timeout_s: float
    drain_timeout_s: float
    shm_default_bytes: int
    max_restarts: int
    strict_readiness: bool
    extra_arguments: tuple[str, ...]


def served_models(repository: Path) -> tuple[str, ...]:
    """Names of the models in a repository, sorted.

    Raises:
        RepositoryNotServableError: It is not a folder, or holds no model.
    """
    if not repository.is_dir():
        raise RepositoryNotServableError(
            f"{repository} is not a folder: build one first (triton-rag build RECIPE --out {repository})"
        )
    models = tuple(sorted(config.parent.name for config in repository.glob("*/config.pbtxt")))
    if not models:
        raise RepositoryNotServableError(
            f"{repository} holds no model (no */config.pbtxt): name a folder that triton-rag build wrote"
        )
    return models


def command_line(
    repository: Path,
    options: ServerOptions,
    ports: Mapping[str, int],
    installation: TritonInstallation,
    server_id: str,
    model_control: Sequence[str],
) -> list[str]:
    """The command that serves `repository`.

    Args:
        repository: The model repository.
        options: How to serve it.
        ports: Port by service, none of them 0.
        installation: The tritonserver to run.
        server_id: What the server calls itself; its shared memory carries the name too.
        model_control: Arguments that say which models are loaded, and who may change that.
    """
    command = [
        str(installation.program),
        f"--model-repository={repository}",
        f"--backend-directory={installation.backends}",
        f"--id={server_id}",
        f"--http-address={options.host}",
        f"--grpc-address={options.host}",
        f"--metrics-address={options.host}",
        f"--http-port={ports['HTTP']}",
        f"--grpc-port={ports['gRPC']}",
        f"--metrics-port={ports['metrics']}",
        f"--exit-timeout-secs={max(1, round(options.drain_timeout_s))}",
        f"--strict-readiness={str(options.strict_readiness).lower()}",
        f"--backend-config=python,shm-default-byte-size={options.shm_default_bytes}",
        f"--backend-config=python,shm-region-prefix-name={server_id}-",
        *model_control,
    ]
    return [*command, *options.extra_arguments]
