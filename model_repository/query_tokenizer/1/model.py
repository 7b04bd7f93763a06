"""Triton's adapter of `query_tokenization`: tensors in, one call, tensors out."""

from pathlib import Path
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils
from query_tokenization import QueryTokenizer, UnknownParameterError, check_parameters


class TritonPythonModel:
    """Serves `query_tokenizer`."""

    def initialize(self, args: dict[str, str]) -> None:
        """Load the tokenizer that lies beside this file."""
        self.tokenizer = QueryTokenizer.load(Path(args["model_repository"]) / args["model_version"])

    def execute(self, requests: list[Any]) -> list[Any]:
        """Tokenize each request in its own bucket; a row that is refused says why in ERROR."""
        return [self._respond(request) for request in requests]

    def _respond(self, request: Any) -> Any:
        try:
            check_parameters(request.parameters())
        except UnknownParameterError as error:
            return _refusal(str(error))
        queries = pb_utils.get_input_tensor_by_name(request, "QUERY").as_numpy().reshape(-1)  # (rows,)
        tokenized = self.tokenizer.encode([bytes(query) for query in queries])
        if not tokenized.lengths.any():
            return _refusal(tokenized.errors[0])
        errors = np.array([error.encode() for error in tokenized.errors], dtype=np.object_)
        return pb_utils.InferenceResponse(
            [
                pb_utils.Tensor("INPUT_IDS", tokenized.input_ids),
                pb_utils.Tensor("LENGTH", tokenized.lengths[:, None]),
                pb_utils.Tensor("ERROR", errors[:, None]),
            ]
        )


def _refusal(reason: str) -> Any:
    error = pb_utils.TritonError(reason, pb_utils.TritonError.INVALID_ARG)
    return pb_utils.InferenceResponse(error=error)
