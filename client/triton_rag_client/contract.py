"""The wire contract, as the client sees it: every tensor of the four ensembles, once.

The same names, types and shapes stand in `model_repository/*/config.pbtxt`, which is the public interface;
a test keeps the two in step. Shapes are written as there, without the batch dimension; -1 is any length.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "EMBED",
    "MODELS",
    "OPTIONS",
    "RAG",
    "RAG_STREAM",
    "RETRIEVE",
    "ROWS_PER_REQUEST",
    "DataType",
    "ModelContract",
    "TensorContract",
]

DataType = Literal["BOOL", "BYTES", "FP32", "INT32", "INT64"]
"""The types as the KServe protocol names them; `config.pbtxt` writes BYTES as TYPE_STRING."""

ROWS_PER_REQUEST: Final = 64
"""`max_batch_size` of `embed` and `retrieve` unless a recipe says otherwise: a client asks for it."""


@dataclass(frozen=True, slots=True)
class TensorContract:
    """One input or output of a served model.

    Attributes:
        name: As in `config.pbtxt`.
        data_type: Type of an element.
        dims: Shape without the batch dimension; -1 is any length.
        optional: Whether a request may leave it out; the server's documented default then holds.
    """

    name: str
    data_type: DataType
    dims: tuple[int, ...]
    optional: bool = False


@dataclass(frozen=True, slots=True)
class ModelContract:
    """What a client must know of one served model.

    Attributes:
        name: The model's name, which is also its folder in the repository.
        inputs: In the order of `config.pbtxt`.
        outputs: In the order of `config.pbtxt`.
        max_rows: Its `max_batch_size`.
        streams: Whether it is decoupled: several responses to one request.
    """

    name: str
    inputs: tuple[TensorContract, ...]
    outputs: tuple[TensorContract, ...]
    max_rows: int
    streams: bool = False


# The size of a vector depends on the encoder that was built in, so here it is any length.
_QUERY: Final = TensorContract("QUERY", "BYTES", (1,))
_ERROR: Final = TensorContract("ERROR", "BYTES", (1,))
_EMBEDDING: Final = TensorContract("EMBEDDING", "FP32", (-1,))

_RETRIEVAL_OPTIONS: Final = (
    TensorContract("RETRIEVER", "BYTES", (1,), optional=True),
    TensorContract("PASSAGES_K", "INT32", (1,), optional=True),
)
_GENERATION_OPTIONS: Final = (
    TensorContract("MAX_TOKENS", "INT32", (1,), optional=True),
    TensorContract("MIN_TOKENS", "INT32", (1,), optional=True),
    TensorContract("TEMPERATURE", "FP32", (1,), optional=True),
    TensorContract("TOP_K", "INT32", (1,), optional=True),
    TensorContract("TOP_P", "FP32", (1,), optional=True),
    TensorContract("SEED", "INT64", (1,), optional=True),
    TensorContract("REPETITION_PENALTY", "FP32", (1,), optional=True),
    TensorContract("STOP", "BYTES", (-1,), optional=True),
    TensorContract("STOP_TOKENS", "INT32", (-1,), optional=True),
    TensorContract("LOGPROBS", "BOOL", (1,), optional=True),
    TensorContract("BEAMS", "INT32", (1,), optional=True),
    TensorContract("LENGTH_PENALTY", "FP32", (1,), optional=True),
)
_PASSAGES: Final = (
    TensorContract("PASSAGE_ID", "BYTES", (-1,)),
    TensorContract("PASSAGE_TITLE", "BYTES", (-1,)),
    TensorContract("PASSAGE_SOURCE", "BYTES", (-1,)),
    TensorContract("PASSAGE_TEXT", "BYTES", (-1,)),
    TensorContract("PASSAGE_SCORE", "FP32", (-1,)),
)
_ANSWER_FACTS: Final = (
    TensorContract("FINISH_REASON", "BYTES", (1,)),
    TensorContract("PROMPT_TOKENS", "INT32", (1,)),
    TensorContract("ANSWER_TOKENS", "INT32", (1,)),
    TensorContract("TOKEN_IDS", "INT32", (-1,)),
    TensorContract("TOKEN_LOGPROBS", "FP32", (-1,)),
    TensorContract("PASSAGES_USED", "INT32", (1,)),
)

EMBED: Final = ModelContract("embed", (_QUERY,), (_EMBEDDING, _ERROR), max_rows=ROWS_PER_REQUEST)
RETRIEVE: Final = ModelContract(
    "retrieve", (_QUERY, *_RETRIEVAL_OPTIONS), (*_PASSAGES, _ERROR), max_rows=ROWS_PER_REQUEST
)
RAG: Final = ModelContract(
    "rag",
    (_QUERY, *_RETRIEVAL_OPTIONS, *_GENERATION_OPTIONS),
    (TensorContract("ANSWER", "BYTES", (1,)), *_ANSWER_FACTS, *_PASSAGES),
    max_rows=1,
)
RAG_STREAM: Final = ModelContract(
    "rag_stream",
    RAG.inputs,
    (TensorContract("ANSWER_DELTA", "BYTES", (1,)), *_ANSWER_FACTS, *_PASSAGES),
    max_rows=1,
    streams=True,
)

MODELS: Final[Mapping[str, ModelContract]] = MappingProxyType(
    {model.name: model for model in (EMBED, RETRIEVE, RAG, RAG_STREAM)}
)
"""The four ensembles that clients call, by name."""

OPTIONS: Final[Mapping[str, TensorContract]] = MappingProxyType(
    {tensor.name.lower(): tensor for tensor in (*_RETRIEVAL_OPTIONS, *_GENERATION_OPTIONS)}
)
"""Python name of an option (`max_tokens`) to its tensor (`MAX_TOKENS`)."""
