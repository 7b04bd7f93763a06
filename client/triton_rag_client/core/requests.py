"""From a method's arguments to the tensors of one request, whatever carries it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from triton_rag_client.contract import EMBED, OPTIONS, RAG, RAG_STREAM, RETRIEVE, ModelContract
from triton_rag_client.core.tensors import InputTensor, encode_tensor
from triton_rag_client.errors import InvalidRequestError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["InferenceCall", "ask_call", "embed_calls", "retrieve_calls", "stream_call"]


@dataclass(frozen=True, slots=True)
class InferenceCall:
    """One request to one served model.

    Attributes:
        model: Which one.
        inputs: Its inputs; options that were left out are not among them.
        rows: Size of the batch dimension.
    """

    model: ModelContract
    inputs: tuple[InputTensor, ...]
    rows: int


def ask_call(query: str, options: Mapping[str, object]) -> InferenceCall:
    """The request of `ask`."""
    return _call(RAG, [query], options)


def stream_call(query: str, options: Mapping[str, object]) -> InferenceCall:
    """The request of `stream`."""
    return _call(RAG_STREAM, [query], options)


def retrieve_calls(
    queries: Sequence[str], options: Mapping[str, object], max_rows: int
) -> tuple[InferenceCall, ...]:
    """The requests of `retrieve`, each with as many rows as the server takes at once."""
    return _calls(RETRIEVE, queries, options, max_rows)


def embed_calls(queries: Sequence[str], max_rows: int) -> tuple[InferenceCall, ...]:
    """The requests of `embed`, each with as many rows as the server takes at once."""
    return _calls(EMBED, queries, {}, max_rows)


def _calls(
    model: ModelContract, queries: Sequence[str], options: Mapping[str, object], max_rows: int
) -> tuple[InferenceCall, ...]:
    starts = range(0, len(queries), max_rows)
    return tuple(_call(model, queries[start : start + max_rows], options) for start in starts)


def _call(model: ModelContract, queries: Sequence[str], options: Mapping[str, object]) -> InferenceCall:
    query, *known = model.inputs
    inputs = [encode_tensor(query, queries, rows=len(queries))]
    for name, value in options.items():
        tensor = OPTIONS.get(name)
        if tensor not in known:
            allowed = ", ".join(tensor.name.lower() for tensor in known) or "none"
            raise TypeError(f"{name!r} is not an option of {model.name}; its options: {allowed}")
        if value is not None:
            inputs.append(
                encode_tensor(tensor, _elements(name, value, tensor.dims), rows=len(queries), each_row=True)
            )
    return InferenceCall(model, tuple(inputs), len(queries))


def _elements(name: str, value: object, dims: tuple[int, ...]) -> tuple[object, ...]:
    if dims != (-1,):
        return (value,)
    if isinstance(value, (str, bytes)) or not hasattr(value, "__iter__"):
        raise InvalidRequestError(f"{name.upper()} is {value!r}: it must be a list")
    return tuple(value)
