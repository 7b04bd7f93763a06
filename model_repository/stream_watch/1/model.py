"""Triton adapter of `stream_watch`: lets a stream's responses pass, and ends it when the client has gone."""

import logging
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils

logger = logging.getLogger(__name__)


class TritonPythonModel:
    """Sees the cancellation that a running step of an ensemble is not told of."""

    def execute(self, requests: list[Any]) -> list[Any]:
        """Answer every request, in order."""
        return [self._respond(request) for request in requests]

    def _respond(self, request: Any) -> Any:
        error = _text(request, "ERROR")
        if error:
            status = getattr(pb_utils.TritonError, _text(request, "ERROR_STATUS"))
            return pb_utils.InferenceResponse(error=pb_utils.TritonError(error, status))
        if request.is_cancelled():
            _cancel(pb_utils.get_input_tensor_by_name(request, "REQUEST_KEY").as_numpy())
        return pb_utils.InferenceResponse([pb_utils.get_input_tensor_by_name(request, "FINISH_REASON")])


def _cancel(key: Any) -> None:
    """Tell `generator`; that the request has ended meanwhile is no fault."""
    no_prompt = np.empty((1, 0), np.int32)
    cancellation = pb_utils.InferenceRequest(
        model_name="generator",
        requested_output_names=["FINISH_REASON"],
        inputs=[pb_utils.Tensor("PROMPT_IDS", no_prompt), pb_utils.Tensor("CANCEL", key)],
    )
    for response in cancellation.exec(decoupled=True):
        if response.has_error():
            logger.warning("a stream could not be cancelled: %s", response.error().message())


def _text(request: Any, name: str) -> str:
    return str(pb_utils.get_input_tensor_by_name(request, name).as_numpy().item().decode())
