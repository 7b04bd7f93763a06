"""What the benchmark asks of whoever takes part: prompts in, timed answers out.

A peer is a module of this package with two functions: `prepare(model, folder)` converts the weights, once, in
a process of its own, and `load(folder, precision, threads)` gives a `Contender`. All decode greedily and end
by count; prompts are token ids, so that nobody's tokenizer is measured.
"""

import importlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

SLOTS = 8
CONTEXT_TOKENS = 1024
"""Room of each of the eight: the longest prompt of the benchmark and its answer fit."""


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """The weights that every contender starts from.

    Attributes:
        folder: FP32 safetensors and the tokenizer, as transformers saves them.
        gguf: the GGUF file that they were read from; None for encoder-decoder models.
    """

    folder: Path
    gguf: Path | None


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer, in seconds since all prompts of its call were handed over.

    Attributes:
        first_s: when the first token was there.
        end_s: when the last one was.
        first_tokens: how many tokens were there at `first_s`: one, unless text is delivered in pieces.
        tokens: how many in the end.
        text: of the answer; decoded by the benchmark where `token_ids` are given.
        token_ids: of the answer, where the contender gives them.
    """

    first_s: float
    end_s: float
    first_tokens: int
    tokens: int
    text: str = ""
    token_ids: tuple[int, ...] = ()


class Contender(Protocol):
    """A loaded model."""

    def answer(self, prompts: Sequence[Sequence[int]], new_tokens: int) -> list[Answer]:
        """Answer all prompts at once with exactly so many tokens each, as fast as the contender can."""


@dataclass(frozen=True, slots=True)
class Peer:
    """How a contender is found.

    Attributes:
        module: its module in this package.
        precision: what `load` is told.
        bits: of a weight; only peers with the same bits count for the targets.
    """

    module: str
    precision: str
    bits: int

    def load(self, folder: Path, threads: int) -> Contender:
        """Load what `prepare` left in a folder."""
        module: Any = importlib.import_module(f"generator_peers.{self.module}")
        contender: Contender = module.load(folder, self.precision, threads)
        return contender

    def prepare(self, model: ModelFiles, folder: Path) -> None:
        """Convert the weights into an empty folder."""
        importlib.import_module(f"generator_peers.{self.module}").prepare(model, folder, self.precision)


class Recorder:
    """Times the tokens of several answers while they come.

    Args:
        count: how many answers.
    """

    def __init__(self, count: int) -> None:
        self._start = time.perf_counter()
        self._ids: list[list[int]] = [[] for _ in range(count)]
        self._first_s = [0.0] * count
        self._end_s = [0.0] * count

    def add(self, index: int, token_id: int) -> int:
        """Record a token; how many the answer has now."""
        now_s = time.perf_counter() - self._start
        ids = self._ids[index]
        if not ids:
            self._first_s[index] = now_s
        self._end_s[index] = now_s
        ids.append(token_id)
        return len(ids)

    def answers(self) -> list[Answer]:
        """All answers, in the order of the prompts."""
        return [
            Answer(first_s, end_s, 1, len(ids), token_ids=tuple(ids))
            for first_s, end_s, ids in zip(self._first_s, self._end_s, self._ids, strict=True)
        ]
