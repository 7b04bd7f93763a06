"""Triton adapter of `generator`: hands requests to the engine, which answers through their senders."""

from pathlib import Path
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils
from generation import (
    Cancellation,
    CancellationKeys,
    CancelledError,
    Delta,
    GenerationError,
    GenerationOptions,
    Outbox,
    read_timeout_s,
    response_outputs,
)
from generation.loading import load_engine
from generation.metrics import MetricsPublisher

FINAL = pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL
PASSAGE_TEXTS = ("PASSAGE_ID", "PASSAGE_TITLE", "PASSAGE_SOURCE", "PASSAGE_TEXT")
NO_PASSAGES = dict.fromkeys(PASSAGE_TEXTS, np.empty((1, 0), np.object_))
NO_PASSAGES["PASSAGE_SCORE"] = np.empty((1, 0), np.float32)


class TritonPythonModel:
    """One engine for all requests; `execute` returns at once."""

    def initialize(self, args: dict[str, str]) -> None:
        """Load the model that lies beside this file and start the engine."""
        self._keys, self._outbox = CancellationKeys(), Outbox()
        folder = Path(args["model_repository"]) / args["model_version"]
        self._engine = load_engine(folder, pb_utils.Logger.log_info)
        self._engine.start()
        self._metrics = MetricsPublisher(self._engine, pb_utils.MetricFamily)

    def execute(self, requests: list[Any]) -> None:
        """Hand every request over; a refused one is answered at once."""
        for request in requests:
            # Copies: used after `execute`, when Triton may have taken back the memory of the request.
            tensors = {tensor.name(): tensor.as_numpy().copy() for tensor in request.inputs()}
            if "CANCEL" in tensors:
                self._keys.cancel(tensors["CANCEL"].item())
                request.get_response_sender().send(flags=FINAL)
            else:
                self._submit(request, tensors)

    def finalize(self) -> None:
        """Fail what is left and stop the engine: Triton has waited for requests in flight before this."""
        for part in (self._metrics, self._engine, self._outbox):
            part.close()

    def _submit(self, request: Any, tensors: dict[str, Any]) -> None:
        sink = self._outbox.posted(_ResponseSink(request.get_response_sender(), tensors, self._keys.issue()))
        if "ENDS_APART" in tensors:
            sink.send(Delta("", "", prompt_tokens=0, answer_tokens=0))
        try:
            options = GenerationOptions.parse(tensors, self._engine.settings)
            timeout_s = read_timeout_s(request.timeout(), request.parameters())
            self._engine.submit(tensors.get("PROMPT_IDS", ()), options, sink, timeout_s)
        except GenerationError as error:
            sink.fail(error)


class _ResponseSink:
    """Sends one answer; the first response carries the passages that came with the request."""

    def __init__(self, sender: Any, tensors: dict[str, Any], cancellation: Cancellation) -> None:
        self._sender, self._cancellation = sender, cancellation
        self._fails_by_output = "ERROR_AS_OUTPUT" in tensors
        self._ends_apart = "ENDS_APART" in tensors
        used = tensors.get("PASSAGES_USED", np.zeros((1, 1), np.int32))
        self._same = {"REQUEST_KEY": np.array([[cancellation.key]], np.object_), "PASSAGES_USED": used}
        self._passages = {name: tensors.get(name, empty) for name, empty in NO_PASSAGES.items()}

    def send(self, delta: Delta, error: str = "", status: str = "") -> None:
        outputs = response_outputs(delta, error, status) | self._same | self._passages
        self._passages = NO_PASSAGES
        # Named, so that they outlive send(), which drops unrequested ones without the GIL.
        tensors = [pb_utils.Tensor(*output) for output in outputs.items()]
        flags = FINAL if delta.finish_reason or error else 0
        self._sender.send(pb_utils.InferenceResponse(tensors), 0 if self._ends_apart else flags)
        if self._ends_apart and flags:
            self._sender.send(flags=flags)

    def fail(self, error: GenerationError) -> None:
        if isinstance(error, CancelledError) and not self._ends_apart:
            self._sender.send(flags=FINAL)  # nobody reads an error; the flag lets Triton free the request
        elif self._fails_by_output:
            self.send(Delta("", "", 0, 0), str(error), error.status)
        else:
            reason = pb_utils.TritonError(str(error), getattr(pb_utils.TritonError, error.status))
            self._sender.send(pb_utils.InferenceResponse(error=reason), flags=FINAL)

    def is_cancelled(self) -> bool:
        # Callers inside Triton cancel by key alone, and asking the sender is a round trip.
        is_told = not self._fails_by_output and self._sender.is_cancelled()
        return self._cancellation.is_cancelled or bool(is_told)
