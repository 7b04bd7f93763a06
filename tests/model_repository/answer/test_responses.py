"""What a call from Python makes of the generator's responses."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from answering import GeneratorFailedError, read_outputs


@dataclass(frozen=True)
class TritonTensor:
    key: str
    value: Any

    def name(self) -> str:
        return self.key

    def as_numpy(self) -> Any:
        return np.array([[self.value]], np.object_)


@dataclass(frozen=True)
class TritonError:
    def message(self) -> str:
        return "the queue is full"

    def code(self) -> int:
        return 14


@dataclass(frozen=True)
class Response:
    outputs: dict[str, bytes] = field(default_factory=dict)
    failed: TritonError | None = None

    def has_error(self) -> bool:
        return self.failed is not None

    def error(self) -> TritonError | None:
        return self.failed

    def output_tensors(self) -> list[TritonTensor]:
        return [TritonTensor(*output) for output in self.outputs.items()]


def said(text: bytes, finish_reason: bytes = b"", error: bytes = b"") -> Response:
    status = b"UNAVAILABLE" if error else b""
    return Response(
        {"ANSWER_DELTA": text, "FINISH_REASON": finish_reason, "ERROR": error, "ERROR_STATUS": status}
    )


FINAL = Response()


def texts(stream: Any) -> list[bytes]:
    return [outputs["ANSWER_DELTA"].item() for outputs in read_outputs(stream)]


def test_the_final_response_is_left_for_who_closes_the_stream() -> None:
    stream = iter([said(b""), said(b"a "), said(b"lambda", b"stop"), FINAL])
    assert texts(stream) == [b"", b"a ", b"lambda"]
    assert list(stream) == [FINAL]


def test_a_stream_that_is_cut_off_has_nothing_left() -> None:
    assert texts(iter([said(b"a "), FINAL])) == [b"a "]


def test_a_reason_why_there_is_no_more_comes_with_its_status_and_leaves_the_final_response() -> None:
    stream = iter([said(b"a "), said(b"", error=b"the model failed"), FINAL])
    read = read_outputs(stream)
    assert next(read)["ANSWER_DELTA"].item() == b"a "
    with pytest.raises(GeneratorFailedError, match="the model failed") as failed:
        next(read)
    assert failed.value.status == "UNAVAILABLE"
    assert list(stream) == [FINAL]


def test_an_error_of_triton_comes_with_its_code() -> None:
    with pytest.raises(GeneratorFailedError, match="the queue is full") as failed:
        texts([Response(failed=TritonError())])
    assert failed.value.status == 14
