"""One child process with everything it starts, gone when it should be gone.

The child leads a process group of its own: Ctrl-C in a terminal does not reach it, and what it leaves
behind (stubs of Python models) is killed with the group. It is tethered to this process (`tether.py`). The
kernel counts the *thread* that started a child as its parent, so the thread that starts it here waits for
it and lives as long.
"""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

__all__ = ["TetheredProcess"]

_TETHER = Path(__file__).with_name("tether.py")


class TetheredProcess:
    """A running child process.

    Attributes:
        pid: Its process id, and that of its group.
    """

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], output: Path) -> None:
        """Start it.

        Args:
            command: An absolute path and its arguments.
            environment: All of its variables.
            output: The file that takes its standard output and error; overwritten.

        Raises:
            OSError: The output cannot be written, or no process can be made.
        """
        self._command = [sys.executable, "-I", "-S", str(_TETHER), str(os.getpid()), *command]
        self._environment = dict(environment)
        self._output = output
        self._lock = threading.Lock()
        self._started = threading.Event()
        self._ended = threading.Event()
        self._failure: OSError | None = None
        self._returncode: int | None = None
        self.pid = 0
        threading.Thread(target=self._run, name="tethered-process", daemon=True).start()
        self._started.wait()
        if self._failure is not None:
            raise self._failure

    @property
    def returncode(self) -> int | None:
        """None while it runs; then its exit status, or minus the signal that ended it."""
        return self._returncode

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until it and its group have ended; False when it still runs after `timeout_s`."""
        return self._ended.wait(timeout_s)

    def terminate(self) -> None:
        """Ask it to end."""
        with self._lock:
            if self._returncode is None:
                os.kill(self.pid, signal.SIGTERM)

    def kill(self) -> None:
        """End it and its group at once."""
        with self._lock:
            if self._returncode is None:
                os.killpg(self.pid, signal.SIGKILL)

    def _run(self) -> None:
        try:
            process = self._start()
        except OSError as error:
            self._failure = error
            self._started.set()
            return
        self.pid = process.pid
        self._started.set()
        # WNOWAIT keeps the ended child's id taken: its group is nobody else's when it is killed.
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        with self._lock:
            os.killpg(process.pid, signal.SIGKILL)
            self._returncode = process.wait()
        self._ended.set()

    def _start(self) -> "subprocess.Popen[bytes]":
        with self._output.open("wb") as output:
            return subprocess.Popen(
                self._command,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
