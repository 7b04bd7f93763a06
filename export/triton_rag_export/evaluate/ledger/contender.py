"""Contenders in processes of their own, timed in turns.

A machine has good and bad minutes. Two models that are timed one after the other meet different ones; timed
in turns, A B A B, both meet the same, and the ratio of each pair of turns is free of them. Each has a process
of its own, whose peak of memory is then its own too; while it is not its turn it is stopped (SIGSTOP): no
thread of it spins beside the other.
"""

import contextlib
import ctypes
import multiprocessing
import os
import signal
from collections.abc import Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Self

from triton_rag_export.errors import EvaluationError
from triton_rag_export.evaluate.ledger.workload import Turn, Workload

_SPAWN = multiprocessing.get_context("spawn")
TIMEOUT_S = 1800.0
PR_SET_PDEATHSIG = 1
PEAK = -2


class Contender:
    """A workload in a process of its own; use it as a context manager.

    Args:
        name: for error messages.
        workload: what it does in its turn.

    Raises:
        EvaluationError: the process does not load its model.
    """

    def __init__(self, name: str, workload: Workload) -> None:
        self._name = name
        self._pipe, theirs = _SPAWN.Pipe()
        self._process = _SPAWN.Process(target=_serve, args=(theirs, workload), daemon=True)
        self._process.start()
        theirs.close()
        self._answer()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.join()
        self._pipe.close()

    def take_turn(self, number: int) -> Turn:
        """Let it work, alone.

        Raises:
            EvaluationError: its process failed or died.
        """
        found = self._call(number)
        if not isinstance(found, Turn):
            raise EvaluationError(f"{self._name} was not timed: {found!r} is no turn; please report this")
        return found

    def peak_memory_bytes(self) -> int:
        """The most that its process had resident so far."""
        return int(str(self._call(PEAK)))

    def _call(self, number: int) -> object:
        self._signal(signal.SIGCONT)
        try:
            self._pipe.send(number)
        except OSError as error:
            raise EvaluationError(f"{self._name} cannot be timed: its process has ended ({error})") from error
        return self._answer()

    def _answer(self) -> object:
        try:
            if not self._pipe.poll(TIMEOUT_S):
                raise EvaluationError(f"{self._name} cannot be timed: no answer within {TIMEOUT_S:g} s")
            result, reason = self._pipe.recv()
        except (EOFError, OSError) as error:
            self._process.join(5)
            raise EvaluationError(
                f"{self._name} cannot be timed: its process ended with exit code {self._process.exitcode}"
            ) from error
        if reason:
            raise EvaluationError(f"{self._name} cannot be timed: {reason}")
        self._signal(signal.SIGSTOP)
        return result

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._process.pid or 0, number)


def in_turns(contenders: Sequence[Contender], turns: int) -> list[list[Turn]]:
    """The turns of each contender, A B A B; one turn of each before warms up and does not count."""
    for contender in contenders:
        contender.take_turn(0)
    taken: list[list[Turn]] = [[] for _ in contenders]
    for number in range(1, turns + 1):
        for contender, found in zip(contenders, taken, strict=True):
            found.append(contender.take_turn(number))
    return taken


def _serve(pipe: Connection, workload: Workload) -> None:
    # A stopped process would not notice that whoever times it was killed.
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        take_turn = workload.load()
        pipe.send((None, ""))
        while True:
            number = pipe.recv()
            pipe.send((_peak_bytes() if number == PEAK else take_turn(number), ""))
    except EOFError:
        return
    except Exception as error:
        with contextlib.suppress(OSError):
            pipe.send((None, f"{type(error).__name__}: {error}"))


def _peak_bytes() -> int:
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM"))
