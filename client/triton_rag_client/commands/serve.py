"""`triton-rag serve`: a Triton over a built repository, until it is told to stop."""

import logging
import os
import sys
import tempfile
import threading
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from triton_rag_server import (
    ServerDiedError,
    ServerOptionValues,
    StartProgress,
    TritonServer,
    cache_folder,
)

from triton_rag_client.commands.log_copy import LogCopy
from triton_rag_client.commands.start_display import StartDisplay
from triton_rag_client.commands.stop_signals import StopSignals

__all__ = ["serve"]

_LOOK_EVERY_S = 0.2

Port = Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")]


def serve(
    repository: Annotated[Path, typer.Argument(help="The folder that `triton-rag build` wrote.")],
    host: Annotated[
        str, typer.Option(help="Address to listen on; 0.0.0.0 lets other machines in, without any password.")
    ] = "127.0.0.1",
    http_port: Port = 8000,
    grpc_port: Port = 8001,
    metrics_port: Port = 8002,
    tritonserver: Annotated[
        str | None,
        typer.Option(help="The program to use, or 'embedded'.  [default: on PATH, in a container, embedded]"),
    ] = None,
    log_file: Annotated[
        Path | None, typer.Option(help="Triton's log.  [default: logs/ in the cache folder]")
    ] = None,
    show_log: Annotated[bool, typer.Option("--show-log", help="Print the log too, as it grows.")] = False,
    start_timeout_s: Annotated[float, typer.Option(min=1, help="Seconds until every model is loaded.")] = 600,
    drain_timeout_s: Annotated[
        float, typer.Option(min=1, help="Seconds that running requests get to finish at the end.")
    ] = 30,
    max_restarts: Annotated[
        int, typer.Option(min=0, help="Restarts within 300 s when the server or a model's process dies.")
    ] = 3,
) -> None:
    """Serve a repository with Triton until Ctrl-C, which lets running requests finish; a second one does not.

    Exit code: 0 after all requests have finished, 1 after a failure, 130 when it was stopped at once.
    """
    options = ServerOptionValues(
        host=host,
        http_port=http_port,
        grpc_port=grpc_port,
        metrics_port=metrics_port,
        start_timeout_s=start_timeout_s,
        drain_timeout_s=drain_timeout_s,
        max_restarts=max_restarts,
    )
    log_file = log_file or default_log_file(http_port)
    raise typer.Exit(_serve(repository, tritonserver, log_file, show_log, options))


def _serve(
    repository: Path,
    tritonserver: str | None,
    log_file: Path,
    is_log_shown: bool,
    options: ServerOptionValues,
) -> int:
    """Start, watch and stop the server; returns the exit code."""
    logging.basicConfig(format="%(levelname)s: %(message)s", level=logging.WARNING)
    log_copy = LogCopy(log_file) if is_log_shown else nullcontext()
    with StopSignals() as signals, StartDisplay(Console(stderr=True)) as display, log_copy:

        def show(progress: StartProgress) -> None:
            if signals.count:
                raise typer.Exit(signals.exit_code)
            display.show(progress)

        server = TritonServer(
            repository, tritonserver=tritonserver, log_file=log_file, progress=show, **options
        )
        server.start()
        display.close()
        _print_addresses(server, display.elapsed_s)
        return _watch(server, signals)


def default_log_file(http_port: int) -> Path:
    """Where the log goes unless it is said: named after the port, or this process where any port will do."""
    name = http_port or f"process-{os.getpid()}"
    return _log_folder() / f"serve-{name}.log"


def _log_folder() -> Path:
    """`logs/` in the cache folder, or a folder of this user where the cache is read-only, as in an image."""
    folder = cache_folder() / "logs"
    instead = Path(tempfile.gettempdir()) / f"triton-rag-{os.getuid()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return instead
    return folder if os.access(folder, os.W_OK) else instead


def _print_addresses(server: TritonServer, seconds: float) -> None:
    typer.echo(f"serving {server.repository} after {seconds:.1f} s")
    typer.echo(f"  HTTP     {server.http_url}")
    typer.echo(f"  gRPC     {server.grpc_url}")
    typer.echo(f"  metrics  {server.metrics_url}")
    typer.echo(f"  log      {server.log_file}")
    typer.echo(f"ask it:    triton-rag ask --url {server.grpc_url} 'What does a list comprehension do?'")
    typer.echo("stop it:   Ctrl-C lets running requests finish, a second Ctrl-C does not")
    sys.stdout.flush()


def _watch(server: TritonServer, signals: StopSignals) -> int:
    """Wait for a signal or the server's end; returns the exit code."""
    while not signals.count:
        if server.wait(_LOOK_EVERY_S):
            raise ServerDiedError(
                f"tritonserver ended by itself (status {server.returncode}): serve again", server.log_file
            )
    return _drain(server, signals)


def _drain(server: TritonServer, signals: StopSignals) -> int:
    """Stop the server gently, or at once when a second signal comes; returns the exit code."""
    limit_s = server.options.drain_timeout_s
    typer.echo(f"stopping: running requests get {limit_s:g} s to finish; once more stops at once", err=True)
    finished: list[bool] = []
    stopping = threading.Thread(target=lambda: finished.append(server.stop()))
    stopping.start()
    while stopping.is_alive():
        stopping.join(_LOOK_EVERY_S)
        if signals.count > 1:
            server.kill()
            stopping.join()
            typer.echo("stopped at once", err=True)
            return signals.exit_code
    if finished != [True]:
        typer.echo(f"stopped after {limit_s:g} s with requests unfinished (log: {server.log_file})", err=True)
        return 1
    if server.returncode != 0:
        said = f"tritonserver ended with status {server.returncode} while it stopped"
        typer.echo(f"{said}: requests may be lost (log: {server.log_file})", err=True)
        return 1
    typer.echo("stopped", err=True)
    return 0
