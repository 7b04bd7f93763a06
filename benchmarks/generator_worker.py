"""A process for each contender, so that nobody's threads spin beside another's.

A worker loads its contender and does what it is told over a pipe, one call at a time. While it is not its
turn it is stopped altogether (SIGSTOP).
"""

import contextlib
import ctypes
import multiprocessing
import os
import shutil
import signal
import sys
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from generator_peers import ModelFiles, Peer

_SPAWN = multiprocessing.get_context("spawn")
LOAD_TIMEOUT_S = 300
CALL_TIMEOUT_S = 900
PREPARE_TIMEOUT_S = 1200
PR_SET_PDEATHSIG = 1


class WorkerError(Exception):
    """A contender cannot take part, with the reason."""


class Worker:
    """A contender in a process of its own.

    Args:
        peer: the contender.
        folder: what its `prepare` wrote.
        threads: for it.

    Raises:
        WorkerError: it does not load.
    """

    def __init__(self, peer: Peer, folder: Path, threads: int) -> None:
        self._pipe, theirs = _SPAWN.Pipe()
        self._process = _SPAWN.Process(target=_serve, args=(theirs, peer, folder, threads), daemon=True)
        self._process.start()
        theirs.close()
        self._answer(LOAD_TIMEOUT_S)

    def call(self, method: str, *arguments: Any, **options: Any) -> Any:
        """Call a method of the contender; it runs alone.

        Raises:
            WorkerError: it raised, or its process died.
        """
        self._signal(signal.SIGCONT)
        try:
            self._pipe.send((method, arguments, options))
        except OSError as error:
            raise WorkerError(f"its process has ended ({error})") from error
        return self._answer(CALL_TIMEOUT_S)

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.join()

    def _answer(self, timeout_s: float) -> Any:
        try:
            if not self._pipe.poll(timeout_s):
                raise WorkerError(f"no answer within {timeout_s:g} s")
            result, reason = self._pipe.recv()
        except (EOFError, OSError) as error:
            self._process.join(5)
            raise WorkerError(f"its process ended with exit code {self._process.exitcode}") from error
        if reason:
            raise WorkerError(reason)
        self._signal(signal.SIGSTOP)
        return result

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._process.pid or 0, number)


def prepare(peer: Peer, model: ModelFiles, folder: Path) -> None:
    """Convert a contender's weights in a process of its own, unless the folder is there from before.

    Raises:
        WorkerError: the conversion failed.
    """
    if not folder.exists():
        run_apart(_prepare, peer, model, folder)


def run_apart(function: Callable[..., Any], *arguments: Any) -> Any:
    """Run a function in a process of its own and give its result.

    Raises:
        WorkerError: it raised, or the process died.
    """
    ours, theirs = _SPAWN.Pipe()
    process = _SPAWN.Process(target=_reply, args=(theirs, function, arguments), daemon=False)
    process.start()
    theirs.close()
    try:
        if not ours.poll(PREPARE_TIMEOUT_S):
            raise WorkerError(f"not done within {PREPARE_TIMEOUT_S} s")
        result, reason = ours.recv()
    except EOFError as error:
        process.join()
        raise WorkerError(f"the process ended with exit code {process.exitcode}") from error
    finally:
        process.kill()
        process.join()
    if reason:
        raise WorkerError(reason)
    return result


def _prepare(peer: Peer, model: ModelFiles, folder: Path) -> None:
    unfinished = folder.with_name(f"{folder.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    peer.prepare(model, unfinished)
    unfinished.rename(folder)


def _serve(pipe: Connection, peer: Peer, folder: Path, threads: int) -> None:
    # A stopped process would not notice that the benchmark was interrupted.
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    os.environ["OMP_NUM_THREADS"] = str(threads)
    try:
        contender: Any = peer.load(folder, threads)
        pipe.send((None, ""))
        while True:
            method, arguments, options = pipe.recv()
            pipe.send((getattr(contender, method)(*arguments, **options), ""))
    except EOFError:
        return
    except BaseException as error:
        pipe.send((None, _reason(error)))


def _reply(pipe: Connection, function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    try:
        pipe.send((function(*arguments), ""))
    except BaseException as error:
        pipe.send((None, _reason(error)))


def _reason(error: BaseException) -> str:
    traceback.print_exception(error, file=sys.stderr)
    return f"{type(error).__name__}: {(str(error).strip().splitlines() or ['?'])[0]}"
