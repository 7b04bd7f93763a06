"""Our operators as tests run them: small graphs beside one library, whose instructions a test may choose.

Each copy of the library has a state of its own, so all graphs lie in one folder.
"""

import ctypes
import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import onnxruntime
from generation.session import KERNELS_FILE, load_session
from triton_rag_export.graph.onnx_builder import GraphBuilder

RANKS = {0: "generic", 1: "AVX2", 2: "AVX-VNNI", 3: "AVX-512 VNNI"}
"""Instruction sets that the arithmetic is compiled for, as the library numbers and names them."""


@dataclass(frozen=True, slots=True)
class Operators:
    """A folder with the library and the graphs that tests make."""

    folder: Path
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    @property
    def library(self) -> ctypes.CDLL:
        """The library that sessions of this folder have loaded, too."""
        library = ctypes.CDLL(str(self.folder / KERNELS_FILE))
        library.triton_rag_instruction_set.restype = ctypes.c_char_p
        return library

    @property
    def instruction_set(self) -> str:
        """The name of the instructions in use."""
        name: bytes = self.library.triton_rag_instruction_set()
        return name.decode()

    def session(self, graph: GraphBuilder, *, threads: int = 2) -> onnxruntime.InferenceSession:
        """A session over a graph."""
        path = self.folder / f"{next(self._numbers)}.onnx"
        graph.save(path)
        return load_session(path, threads)

    @contextmanager
    def rank(self, rank: int) -> Iterator[bool]:
        """Use the instructions of a rank for a while; gives whether this processor has them."""
        try:
            yield self.library.triton_rag_use_rank(rank) == rank
        finally:
            self.library.triton_rag_use_rank(-1)
