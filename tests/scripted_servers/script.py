"""What a test tells its servers to do, and what they saw; the same for gRPC and HTTP."""

from __future__ import annotations

import struct
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from tritonclient.utils import serialize_byte_tensor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NUMPY_TYPES = {"BOOL": "?", "FP32": "<f4", "INT32": "<i4", "INT64": "<i8"}


class ScriptedError(Exception):
    """What the server answers instead of outputs."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Wait:
    """In a script: wait until the client leaves, or the test ends."""


class TrickledHead:
    """In a script, HTTP alone: a head that comes byte by byte and never ends."""


class TrickledBody:
    """In a script, HTTP alone: a body that comes byte by byte and never ends."""


@dataclass
class Seen:
    """A request as the server saw it."""

    model: str
    inputs: dict[str, list[Any]]
    headers: dict[str, str]
    timeout_us: int


@dataclass
class Script:
    """How the servers of a test behave."""

    infer: Callable[[Seen], dict[str, np.ndarray] | type] | None = None
    stream: Callable[[Seen], Iterator[dict[str, np.ndarray] | type[Wait]]] | None = None
    is_ready: bool = True
    max_rows: int | None = 64  # of every model; None: the configuration is nobody's business
    configs_asked: int = 0
    requests: list[Seen] = field(default_factory=list)
    client_left: threading.Event = field(default_factory=threading.Event)
    test_ended: threading.Event = field(default_factory=threading.Event)


def texts(*rows: list[str]) -> np.ndarray:
    return np.array([[text.encode() for text in row] for row in rows], dtype=np.object_).reshape(
        len(rows), -1
    )


def passage_outputs(*rows: list[str]) -> dict[str, np.ndarray]:
    """Outputs of passages with these ids; an empty id is padding."""
    names = ("PASSAGE_ID", "PASSAGE_TITLE", "PASSAGE_SOURCE", "PASSAGE_TEXT")
    scores = [[1.0 / (n + 1) if text else np.nan for n, text in enumerate(row)] for row in rows]
    return {
        **{name: texts(*rows) for name in names},
        "PASSAGE_SCORE": np.array(scores, dtype=np.float32).reshape(len(rows), -1),
    }


def answer_outputs(
    text: str,
    *,
    tokens: int = 2,
    finish_reason: str = "stop",
    is_delta: bool = False,
    ids: list[str] | None = None,
    logprobs: dict[int, float] | None = None,
) -> dict[str, np.ndarray]:
    one = np.ones((1, 1), np.int32)
    return {
        "ANSWER_DELTA" if is_delta else "ANSWER": texts([text]),
        "FINISH_REASON": texts([finish_reason]),
        "PROMPT_TOKENS": one * 7,
        "ANSWER_TOKENS": one * tokens,
        "TOKEN_IDS": np.array([list(logprobs or ())], np.int32),
        "TOKEN_LOGPROBS": np.array([list((logprobs or {}).values())], np.float32),
        "PASSAGES_USED": one,
        **passage_outputs(["a", "b"] if ids is None else ids),
    }


def delta_outputs(*deltas: str) -> Iterator[dict[str, np.ndarray]]:
    """A whole stream of these deltas; the first has passages, the last a finish reason."""
    for number, text in enumerate(deltas):
        yield answer_outputs(
            text,
            tokens=number + 1,
            finish_reason="stop" if number == len(deltas) - 1 else "",
            is_delta=True,
            ids=["a", "b"] if number == 0 else [],
        )


def embedding_outputs(seen: Seen) -> dict[str, np.ndarray]:
    """A vector of three numbers a query; an empty query is refused."""
    rows = len(seen.inputs["QUERY"])
    refused = [not query for query in seen.inputs["QUERY"]]
    if all(refused):
        raise ScriptedError(
            "INVALID_ARGUMENT", "in ensemble 'embed', QUERY is '': allowed are 1 to 8192 characters"
        )
    vectors = np.arange(rows * 3, dtype=np.float32).reshape(rows, 3)
    vectors[refused] = np.nan
    return {"EMBEDDING": vectors, "ERROR": texts(*[["QUERY is ''" if bad else ""] for bad in refused])}


def raw_bytes(tensor: np.ndarray) -> bytes:
    if tensor.dtype != np.object_:
        return tensor.tobytes()
    return serialize_byte_tensor(tensor).item() if tensor.size else b""


def elements(data_type: str, raw: bytes) -> list[Any]:
    if data_type != "BYTES":
        return np.frombuffer(raw, NUMPY_TYPES[data_type]).tolist()
    found = []
    while raw:
        (length,) = struct.unpack_from("<I", raw)
        found.append(raw[4 : 4 + length].decode())
        raw = raw[4 + length :]
    return found
