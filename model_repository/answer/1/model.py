"""Triton adapter of `answer`: forwards a request to the decoupled `generator`, answers once."""

import logging
import threading
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils
from answering import AnsweringError, CancelledError, Delta, StreamGate, gather, read_outputs, read_timeout_us

logger = logging.getLogger(__name__)

GENERATOR_OUTPUTS = [
    *("ANSWER_DELTA", "FINISH_REASON", "PROMPT_TOKENS", "ANSWER_TOKENS", "TOKEN_IDS", "TOKEN_LOGPROBS"),
    *("REQUEST_KEY", "ERROR", "ERROR_STATUS"),
]
FLAGS = ("ERROR_AS_OUTPUT", "ENDS_APART")


class TritonPythonModel:
    """Each request waits for its answer on a thread of its own, so that one instance holds them all.

    The threads are bounded by the generator, which refuses at once what its slots and queue cannot hold.
    """

    def initialize(self, args: dict[str, str]) -> None:
        """Nothing is loaded."""
        self._gate = StreamGate()

    def execute(self, requests: list[Any]) -> None:
        """Hand every request to a thread; the response comes through its sender."""
        for request in requests:
            threading.Thread(target=self._answer, args=(request, request.get_response_sender())).start()

    def _answer(self, request: Any, sender: Any) -> None:
        tensors = []  # named, so that they outlive send(), which drops unrequested ones without the GIL
        try:
            answer = gather(self._deltas(request, sender))
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
            inputs=[*request.inputs(), *(_tensor(name, 1, np.int32) for name in FLAGS)],
            timeout=read_timeout_us(request.timeout(), request.parameters()),
        )
        stream = self._gate.open(request.is_cancelled, lambda: forwarded.exec(decoupled=True))
        if stream is None:
            raise CancelledError("the request was cancelled by who sent it")
        responses, is_cancelled = read_outputs(stream), False
        try:
            for outputs in responses:
                is_cancelled = is_cancelled or self._gate.run_if_cancelled(
                    sender.is_cancelled, partial(_cancel, outputs["REQUEST_KEY"].item())
                )
                yield Delta.of_outputs(outputs)
        finally:
            for _ in responses:  # Triton never forgets a stream that is left before its end
                pass
            self._gate.close(stream)


def _cancel(key: bytes) -> Any:
    """End the generator's request: it is not told that the request here was cancelled."""
    no_prompt = pb_utils.Tensor("PROMPT_IDS", np.empty((1, 0), np.int32))
    cancellation = pb_utils.InferenceRequest(
        model_name="generator",
        requested_output_names=["FINISH_REASON"],
        inputs=[no_prompt, _tensor("CANCEL", key, np.object_)],
    )
    return cancellation.exec(decoupled=True)


def _error(message: str, status: str | int) -> Any:
    code = getattr(pb_utils.TritonError, status) if isinstance(status, str) else status
    return pb_utils.TritonError(message, code)


def _tensor(name: str, value: object, dtype: type) -> Any:
    return pb_utils.Tensor(name, np.array([[value]], dtype=dtype))
