"""The command line in this process: its words in, its exit code and output back."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, NamedTuple

import pytest
from triton_rag_client.main import main

if TYPE_CHECKING:
    from collections.abc import Callable


class Outcome(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture
def command_line(monkeypatch, capsys) -> Callable[..., Outcome]:
    def run(*words: str) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["triton-rag", *words])
        with pytest.raises(SystemExit) as left:
            main()
        captured = capsys.readouterr()
        return Outcome(left.value.code or 0, captured.out, captured.err)

    return run
