import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import psutil
import pytest
from triton_rag_server.process import TetheredProcess

# Says its id and that of a child, then waits for a signal.
FAMILY = """
import signal, subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
print(child.pid, flush=True)
signal.pause()
"""

# Starts the family, says the child's id, and is killed by the test.
PARENT = """
import sys, signal
from pathlib import Path
from triton_rag_server.process import TetheredProcess
process = TetheredProcess([sys.executable, "-c", "import signal; signal.pause()"], {}, Path(sys.argv[1]))
print(process.pid, flush=True)
signal.pause()
"""


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def test_output_and_status_are_kept(tmp_path: Path) -> None:
    process = TetheredProcess(python("print('hello'); exit(3)"), {}, tmp_path / "log")
    assert process.wait(30)
    assert process.returncode == 3
    assert (tmp_path / "log").read_text() == "hello\n"


def test_the_environment_is_all_it_gets(tmp_path: Path) -> None:
    process = TetheredProcess(
        python("import os; print(sorted(k for k in os.environ if k != 'LC_CTYPE'))"),
        {"A": "b"},
        tmp_path / "log",
    )
    assert process.wait(30)
    assert (tmp_path / "log").read_text() == "['A']\n"


def test_an_output_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        TetheredProcess(python(""), {}, tmp_path / "no" / "log")


def test_what_a_child_leaves_behind_ends_with_it(tmp_path: Path) -> None:
    log = tmp_path / "log"
    os.mkfifo(log)
    said: list[str] = []

    def read_a_line() -> None:
        with log.open() as lines:
            said.append(lines.readline())

    reader = threading.Thread(target=read_a_line)
    reader.start()
    process = TetheredProcess(python(FAMILY), {}, log)
    reader.join()
    grandchild = psutil.Process(int(said[0]))
    process.terminate()
    assert process.wait(30)
    assert process.returncode == -signal.SIGTERM
    psutil.wait_procs([grandchild], timeout=30)
    assert not grandchild.is_running()


def test_stopping_twice_is_harmless(tmp_path: Path) -> None:
    process = TetheredProcess(python("import signal; signal.pause()"), {}, tmp_path / "log")
    process.kill()
    assert process.wait(30)
    process.kill()
    process.terminate()
    assert process.returncode == -signal.SIGKILL


def test_it_outlives_the_thread_that_asked_for_it(tmp_path: Path) -> None:
    started: list[TetheredProcess] = []
    code = python("import signal; signal.pause()")
    thread = threading.Thread(target=lambda: started.append(TetheredProcess(code, {}, tmp_path / "log")))
    thread.start()
    thread.join()
    assert not started[0].wait(0.5)
    started[0].kill()
    assert started[0].wait(30)


def test_it_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    parent = subprocess.Popen([*python(PARENT), str(tmp_path / "log")], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = psutil.Process(int(parent.stdout.readline()))
    parent.kill()
    parent.communicate()
    psutil.wait_procs([child], timeout=30)
    assert not child.is_running()
