"""Triton adapter of `answer`: forwards a request to the decoupled `generator`, answers once."""

import logging
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils
from answering import AnsweringError, Delta, ReadStreams, gather, read_timeout_us

logger = logging.getLogger(__name__)

GENERATOR_OUTPUTS = [
    *("ANSWER_DELTA", "FINISH_REASON", "PROMPT_TOKENS", "ANSWER_TOKENS", "TOKEN_IDS", "TOKEN_LOGPROBS"),
    *("REQUEST_KEY", "ERROR", "ERROR_STATUS"),
]


class TritonPythonModel:
    """Each request waits for its answer on a thread of its own, so that one instance holds them all.

    The threads are bounded by the generator, which refuses at once what its slots and queue cannot hold.
    """

    def initialize(self, args: dict[str, str]) -> None:
        """Nothing is loaded."""
        self._read_streams = ReadStreams()

    def execute(self, requests: list[Any]) -> None:
        """Hand every request to a thread; the response comes through its sender."""
        for request in requests:
            threading.Thread(target=self._answer, args=(request, request.get_response_sender())).start()

    def _answer(self, request: Any, sender: Any) -> None:
        tensors = []  # named, so that they outlive send(), which drops unrequested ones without the GIL
        try:
            self._read_streams.release(request.is_cancelled)
            answer = gather(self._deltas(request, sender))
        except _GeneratorError as error:
            response = pb_utils.InferenceResponse(error=error.args[0])
        except AnsweringError as error:
            response = pb_utils.InferenceResponse(error=_error(str(error), error.status))
        except Exception as error:  # whatever it is: a request without a response is waited for without end
            logger.exception("a request could not be answered")
            reason = f"the answer failed ({error!r}); see the server's log"
            response = pb_utils.InferenceResponse(error=_error(reason, "INTERNAL"))
        else:
            tensors = [pb_utils.Tensor(*output) for output in answer.outputs().items()]
            response = pb_utils.InferenceResponse(output_tensors=tensors)
        sender.send(response, flags=pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL)

    def _deltas(self, request: Any, sender: Any) -> Iterator[Delta]:
        forwarded = pb_utils.InferenceRequest(
            model_name="generator",
            requested_output_names=GENERATOR_OUTPUTS,
            inputs=[*request.inputs(), _tensor("ERROR_AS_OUTPUT", 1, np.int32)],
            timeout=read_timeout_us(request.timeout(), request.parameters()),
        )
        stream = forwarded.exec(decoupled=True)
        responses = (response for response in stream)
        try:
            for response in responses:
                if response.has_error():
                    raise _GeneratorError(response.error())
                outputs = {tensor.name(): tensor.as_numpy() for tensor in response.output_tensors()}
                if outputs:  # the final response of a decoupled model is empty
                    if error := outputs["ERROR"].item():
                        raise _GeneratorError(_error(error.decode(), outputs["ERROR_STATUS"].item().decode()))
                    if sender.is_cancelled():
                        _cancel(outputs["REQUEST_KEY"].item())
                    yield Delta.of_outputs(outputs)
        finally:
            for _ in responses:  # Triton never forgets a stream that is left before its end
                pass
            self._read_streams.keep(stream)


def _cancel(key: bytes) -> None:
    """End the generator's request: it is not told that the request here was cancelled."""
    no_prompt = pb_utils.Tensor("PROMPT_IDS", np.empty((1, 0), np.int32))
    cancellation = pb_utils.InferenceRequest(
        model_name="generator",
        requested_output_names=["FINISH_REASON"],
        inputs=[no_prompt, _tensor("CANCEL", key, np.object_)],
    )
    for _ in cancellation.exec(decoupled=True):
        pass


class _GeneratorError(Exception):
    """Carries the generator's TritonError, with its code, to the response."""


def _error(message: str, status: str) -> Any:
    return pb_utils.TritonError(message, getattr(pb_utils.TritonError, status))


def _tensor(name: str, value: object, dtype: type) -> Any:
    return pb_utils.Tensor(name, np.array([[value]], dtype=dtype))
