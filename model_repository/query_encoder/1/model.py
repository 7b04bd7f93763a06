"""Triton's adapter of `query_encoding`: tensors in, one call, tensors out."""

from pathlib import Path
from typing import Any

import triton_python_backend_utils as pb_utils
from query_encoding import PaddedRows, QueryEncoder, TokenIdsError, serving_threads


class TritonPythonModel:
    """Serves `query_encoder`."""

    def initialize(self, args: dict[str, str]) -> None:
        """Load the graph that lies beside this file."""
        folder = Path(args["model_repository"]) / args["model_version"]
        self.encoder = QueryEncoder.load(folder, serving_threads(folder))

    def execute(self, requests: list[Any]) -> list[Any]:
        """Encode all rows of all requests together; a request that is refused leaves the others unhurt."""
        results = self.encoder.encode_requests([_rows(request) for request in requests])
        return [_response(result) for result in results]


def _rows(request: Any) -> PaddedRows:
    return PaddedRows(
        input_ids=pb_utils.get_input_tensor_by_name(request, "INPUT_IDS").as_numpy(),
        lengths=pb_utils.get_input_tensor_by_name(request, "LENGTH").as_numpy().reshape(-1),
    )


def _response(result: Any) -> Any:
    if isinstance(result, TokenIdsError):
        refusal = pb_utils.TritonError(str(result), pb_utils.TritonError.INVALID_ARG)
        return pb_utils.InferenceResponse(error=refusal)
    return pb_utils.InferenceResponse([pb_utils.Tensor("EMBEDDING", result)])
