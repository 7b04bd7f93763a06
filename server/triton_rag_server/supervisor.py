"""Starts a server again when it, or the process of one of its models, has died.

Tritonserver 2.51 does not look after its models itself (seen on a real server): when the process of a Python
model dies, later requests get `Stub process ... is not healthy`, requests that the model held are never
answered, and the readiness endpoints go on saying ready. Loading the model again would serve later requests
but leave the lost ones hanging. So the whole server is ended, which tells every client at once, and started
again on the same ports; until it is ready nothing listens, so that its readiness is true.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

from triton_rag_server.errors import ServerError

__all__ = ["Supervisor", "running_stubs"]

LOOK_EVERY_S = 0.25
RESTARTS_WITHIN_S = 300.0

logger = logging.getLogger(__name__)


class Supervisor:
    """A thread that looks at a server and has it started again.

    Args:
        fault: Says what is wrong with the server, or None.
        restart: Starts it again; raises ServerError when it cannot.
        give_up: Ends what is left of it.
        max_restarts: How often it may be started again within 300 s; 0: a fault ends it.
    """

    def __init__(
        self,
        fault: Callable[[], str | None],
        restart: Callable[[], None],
        give_up: Callable[[], None],
        max_restarts: int,
    ) -> None:
        self._fault = fault
        self._restart = restart
        self._give_up = give_up
        self._max_restarts = max_restarts
        self._restarts_s: deque[float] = deque()
        self._stop_asked = threading.Event()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="triton-supervisor", daemon=True)

    @property
    def is_stopping(self) -> bool:
        """Whether it was told to stop."""
        return self._stop_asked.is_set()

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> None:
        """Look no more; a restart that is under way is broken off."""
        self._stop_asked.set()
        if self._thread is not threading.current_thread():
            self._thread.join()

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until it has stopped or given up; False when it still looks after `timeout_s`."""
        return self._ended.wait(timeout_s)

    def _watch(self) -> None:
        try:
            while not self._stop_asked.wait(LOOK_EVERY_S):
                fault = self._fault()
                if fault is not None and not self._mended(fault):
                    return
        finally:
            self._ended.set()

    def _mended(self, fault: str) -> bool:
        now_s = time.monotonic()
        while self._restarts_s and now_s - self._restarts_s[0] > RESTARTS_WITHIN_S:
            self._restarts_s.popleft()
        if len(self._restarts_s) >= self._max_restarts:
            logger.error("%s; not started again after %d restarts", fault, len(self._restarts_s))
            self._give_up()
            return False
        self._restarts_s.append(now_s)
        logger.warning("%s; starting the server again", fault)
        try:
            self._restart()
        except ServerError as error:
            if not self.is_stopping:
                logger.error("the server cannot be started again: %s", error)
            self._give_up()
            return False
        logger.warning("the server is back")
        return True


def running_stubs(server_pid: int) -> dict[int, str]:
    """Model by process id of the stubs (processes of Python models) that a server has running."""
    stubs = {}
    for pid in _children(server_pid):
        try:
            arguments = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except OSError:
            continue  # it ended while we looked
        # STUB REPOSITORY/MODEL/VERSION/model.py ...; a zombie has no arguments
        if len(arguments) > 1 and Path(arguments[0].decode()).name == "triton_python_backend_stub":
            stubs[pid] = Path(arguments[1].decode(errors="surrogateescape")).parents[1].name
    return stubs


def _children(pid: int) -> list[int]:
    """Child processes of every thread of a process."""
    children: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children += [int(child) for child in task.read_text().split()]
        except OSError:
            continue  # the thread ended while we looked
    return children
