"""Responses of the generator, as a call from Python gets them: their outputs, or why there are no more."""

from collections.abc import Iterable, Iterator
from typing import Any, Protocol

import numpy.typing as npt

from answering.errors import GeneratorFailedError

__all__ = ["Response", "read_outputs"]

Outputs = dict[str, npt.NDArray[Any]]


class Response(Protocol):
    """What is used of Triton's `InferenceResponse`."""

    def has_error(self) -> bool:
        """Whether it says that the request failed."""

    def error(self) -> Any:
        """Triton's error, with its message and code."""

    def output_tensors(self) -> list[Any]:
        """Triton's tensors."""


def read_outputs(stream: Iterable[Response]) -> Iterator[Outputs]:
    """The outputs of each response, by name, to the last that has any; the final, empty one is left unread.

    Args:
        stream: of a request with ENDS_APART.

    Raises:
        GeneratorFailedError: a response says in ERROR why there are no more, or is an error of Triton's.
    """
    for response in stream:
        if response.has_error():
            raise GeneratorFailedError(response.error().message(), response.error().code())
        outputs = {tensor.name(): tensor.as_numpy() for tensor in response.output_tensors()}
        if not outputs:  # the stream was cut off
            return
        if error := outputs["ERROR"].item():
            raise GeneratorFailedError(error.decode(), outputs["ERROR_STATUS"].item().decode())
        yield outputs
        if outputs["FINISH_REASON"].item():
            return
