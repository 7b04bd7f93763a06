"""The machine: interpreter, C library, shared memory, disk, ports, GPU."""

import os
import platform
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from triton_rag_server import cache_folder
from triton_rag_server.embedded import PYTHONS
from triton_rag_server.find import installed_tritonserver
from triton_rag_server.libpython import libpython_advice, libpython_folder, libpython_name

from triton_rag_client.diagnosis.finding import Finding, State

__all__ = ["check_machine"]

_GLIBC = (2, 35)
# Seven Python models of the default pipeline take 4 MiB each at start and more when requests are large.
_SHARED_MEMORY_MB, _LEAST_SHARED_MEMORY_MB = 128, 48
_DISK_MB, _LEAST_DISK_MB = 2000, 300
_PORTS = {"HTTP": 8000, "gRPC": 8001, "metrics": 8002}


def check_machine() -> Iterator[Finding]:
    """How the machine itself stands."""
    yield _python()
    yield _libpython()
    yield _glibc()
    yield _shared_memory(Path("/dev/shm"))
    yield _disk(cache_folder())
    yield _ports()
    yield _gpu()


def _python() -> Finding:
    found = platform.python_version()
    if f"{sys.version_info.major}.{sys.version_info.minor}" in PYTHONS:
        return Finding("Python", State.OK, f"{found} ({sys.executable})")
    return Finding(
        "Python", State.MISSING, found, f"make a virtual environment with Python {' or '.join(PYTHONS)}"
    )


def _libpython() -> Finding:
    folder, name = libpython_folder(), libpython_name()
    if folder is not None:
        return Finding("Python library", State.OK, str(folder / name))
    return Finding("Python library", State.MISSING, f"{name} is nowhere to be found", libpython_advice())


def _glibc() -> Finding:
    library, version = platform.libc_ver()
    numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
    if library == "glibc" and numbers >= _GLIBC:
        return Finding("C library", State.OK, f"glibc {version}")
    advice = "use Debian 12, Ubuntu 22.04 or newer, or give a tritonserver of your own (serve --tritonserver)"
    return Finding(
        "C library",
        State.NOTE,
        f"{library or 'unknown'} {version}: the embedded Triton needs glibc 2.35",
        advice,
    )


def _shared_memory(folder: Path) -> Finding:
    name, advice = (
        "Shared memory",
        "in a container: --shm-size=256m; else: sudo mount -o remount,size=256m /dev/shm",
    )
    try:
        free_mb = _free_mb(folder)
    except OSError as error:
        return Finding(name, State.MISSING, f"{folder}: {error.strerror}", advice)
    detail = f"{free_mb:,} MB free in {folder}"
    if free_mb >= _SHARED_MEMORY_MB:
        return Finding(name, State.OK, detail)
    state = State.NOTE if free_mb >= _LEAST_SHARED_MEMORY_MB else State.MISSING
    return Finding(name, state, detail, advice)


def _disk(folder: Path) -> Finding:
    there = next(path for path in (folder, *folder.parents) if path.exists())
    free_mb = _free_mb(there)
    if not os.access(there, os.W_OK):
        # An image has everything in it already; anywhere else nothing can be fetched.
        state = State.MISSING if installed_tritonserver() is None else State.NOTE
        advice = "set TRITON_RAG_CACHE to a folder that can"
        return Finding("Cache", state, f"{folder} cannot be written", advice)
    detail = f"{folder}, {free_mb:,} MB free"
    if free_mb >= _DISK_MB:
        return Finding("Cache", State.OK, detail)
    state = State.NOTE if free_mb >= _LEAST_DISK_MB else State.MISSING
    return Finding("Cache", state, detail, "make room, or set TRITON_RAG_CACHE to a folder on another disk")


def _ports() -> Finding:
    taken = [f"{port} ({service})" for service, port in _PORTS.items() if _is_taken(port)]
    if not taken:
        return Finding("Ports", State.OK, ", ".join(map(str, _PORTS.values())) + " are free")
    advice = "serve with --http-port, --grpc-port, --metrics-port; 0 takes a free one"
    return Finding("Ports", State.NOTE, f"in use: {', '.join(taken)}", advice)


def _gpu() -> Finding:
    program = shutil.which("nvidia-smi")
    if program is None:
        return Finding("GPU", State.NOTE, "no nvidia-smi: models run on the CPU")
    query = [program, "--query-gpu=name,memory.total", "--format=csv,noheader"]
    done = subprocess.run(query, capture_output=True, text=True, errors="replace", check=False)
    names = [line.strip() for line in done.stdout.splitlines() if line.strip()]
    if done.returncode != 0 or not names:
        return Finding("GPU", State.NOTE, "nvidia-smi finds none: models run on the CPU")
    return Finding("GPU", State.OK, "; ".join(names))


def _is_taken(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False


def _free_mb(folder: Path) -> int:
    return shutil.disk_usage(folder).free // 2**20
