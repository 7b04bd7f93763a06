import logging
import os
import threading

import pytest
from triton_rag_server import ServerStartError
from triton_rag_server.supervisor import Supervisor, running_stubs


class Patient:
    """Something with a fault that a restart mends, `lives` times."""

    def __init__(self, lives: int) -> None:
        self.lives = lives
        self.restarts = 0
        self.is_given_up = False
        self.mended = threading.Event()

    def fault(self) -> str | None:
        return "it died" if self.restarts < self.lives else None

    def restart(self) -> None:
        self.restarts += 1
        if self.restarts == self.lives:
            self.mended.set()

    def give_up(self) -> None:
        self.is_given_up = True

    def supervisor(self, max_restarts: int) -> Supervisor:
        return Supervisor(self.fault, self.restart, self.give_up, max_restarts)


def test_a_fault_is_mended_and_said(caplog: pytest.LogCaptureFixture) -> None:
    patient = Patient(lives=2)
    supervisor = patient.supervisor(max_restarts=2)
    with caplog.at_level(logging.WARNING):
        supervisor.start()
        assert patient.mended.wait(30)
        supervisor.stop()
    assert caplog.messages[:2] == ["it died; starting the server again", "the server is back"]
    assert (patient.restarts, patient.is_given_up) == (2, False)


def test_what_keeps_dying_is_given_up(caplog: pytest.LogCaptureFixture) -> None:
    patient = Patient(lives=1000)
    supervisor = patient.supervisor(max_restarts=3)
    supervisor.start()
    assert supervisor.wait(30)
    assert (patient.restarts, patient.is_given_up) == (3, True)
    assert caplog.messages[-1] == "it died; not started again after 3 restarts"


def test_a_restart_that_fails_is_the_end(caplog: pytest.LogCaptureFixture) -> None:
    def restart() -> None:
        raise ServerStartError("no memory")

    given_up: list[bool] = []
    supervisor = Supervisor(lambda: "it died", restart, lambda: given_up.append(True), 3)
    supervisor.start()
    assert supervisor.wait(30)
    assert given_up == [True]
    assert caplog.messages[-1] == "the server cannot be started again: no memory"


def test_stopping_ends_the_looking() -> None:
    supervisor = Patient(lives=0).supervisor(max_restarts=3)
    supervisor.start()
    assert not supervisor.wait(0)
    supervisor.stop()
    assert supervisor.is_stopping
    assert supervisor.wait(0)


def test_a_process_without_stubs_has_none() -> None:
    assert running_stubs(os.getpid()) == {}
