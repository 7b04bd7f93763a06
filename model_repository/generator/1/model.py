"""Triton adapter of `generator`: hands requests to the engine, which answers through their senders."""

from pathlib import Path
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils
from generation import (
    OPTION_NAMES,
    CancelledError,
    Delta,
    Engine,
    GenerationError,
    GenerationOptions,
    ServingSettings,
)
from generation.causal import CausalAdapter
from tokenizers import Tokenizer

FINAL = pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL
PASSAGE_NAMES = ("PASSAGE_ID", "PASSAGE_TITLE", "PASSAGE_SOURCE", "PASSAGE_TEXT", "PASSAGE_SCORE")


class TritonPythonModel:
    """One engine for all requests; `execute` returns at once."""

    def initialize(self, args: dict[str, str]) -> None:
        """Load the model that lies beside this file and start the engine."""
        folder = Path(args["model_repository"]) / args["model_version"]
        self._settings = ServingSettings.load(folder)
        adapter = CausalAdapter.load(
            folder,
            slots=self._settings.slots,
            capacity=self._settings.context_tokens,
            threads=self._settings.threads,
        )
        self._engine = Engine(adapter, Tokenizer.from_file(str(folder / "tokenizer.json")), self._settings)
        self._engine.start()

    def execute(self, requests: list[Any]) -> None:
        """Hand every request over; a refused one is answered at once."""
        for request in requests:
            sink = _ResponseSink(request)
            try:
                options = GenerationOptions.parse(_inputs(request, OPTION_NAMES), self._settings)
                self._engine.submit(_inputs(request, ("PROMPT_IDS",))["PROMPT_IDS"], options, sink)
            except GenerationError as error:
                sink.fail(error)

    def finalize(self) -> None:
        """Fail what is left and stop the engine: Triton has waited for requests in flight before this."""
        self._engine.close()


class _ResponseSink:
    """Sends one answer; the first response carries the passages that came with the request."""

    def __init__(self, request: Any) -> None:
        self._sender = request.get_response_sender()
        used = _inputs(request, ("PASSAGES_USED",)).get("PASSAGES_USED", np.zeros((1, 1), np.int32))
        self._passages_used = pb_utils.Tensor("PASSAGES_USED", used)
        given = _inputs(request, PASSAGE_NAMES)
        self._empty = [pb_utils.Tensor(name, _no_passages(name)) for name in PASSAGE_NAMES]
        self._passages = [
            pb_utils.Tensor(name, given.get(name, _no_passages(name))) for name in PASSAGE_NAMES
        ]

    def send(self, delta: Delta) -> None:
        outputs = [
            pb_utils.Tensor("ANSWER_DELTA", np.array([[delta.text.encode()]], np.object_)),
            pb_utils.Tensor("FINISH_REASON", np.array([[delta.finish_reason.encode()]], np.object_)),
            pb_utils.Tensor("PROMPT_TOKENS", np.array([[delta.prompt_tokens]], np.int32)),
            pb_utils.Tensor("ANSWER_TOKENS", np.array([[delta.answer_tokens]], np.int32)),
            self._passages_used,
        ]
        response = pb_utils.InferenceResponse([*outputs, *self._passages])
        self._passages = self._empty
        self._sender.send(response, flags=FINAL if delta.finish_reason else 0)

    def fail(self, error: GenerationError) -> None:
        if isinstance(error, CancelledError):  # nobody reads an error; the flag lets Triton free the request
            self._sender.send(flags=FINAL)
            return
        reason = pb_utils.TritonError(str(error), getattr(pb_utils.TritonError, error.status))
        self._sender.send(pb_utils.InferenceResponse(error=reason), flags=FINAL)

    def is_cancelled(self) -> bool:
        return bool(self._sender.is_cancelled())


def _inputs(request: Any, names: tuple[str, ...]) -> dict[str, Any]:
    tensors = {name: pb_utils.get_input_tensor_by_name(request, name) for name in names}
    return {name: tensor.as_numpy() for name, tensor in tensors.items() if tensor is not None}


def _no_passages(name: str) -> Any:
    return np.empty((1, 0), np.float32 if name == "PASSAGE_SCORE" else np.object_)
