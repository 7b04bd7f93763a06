"""Triton's adapter of `passage_search`: tensors in, one search for all rows of all requests, tensors out."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import triton_python_backend_utils as pb_utils
from passage_search import (
    FoundPassage,
    PassageSearch,
    RefusedRow,
    RequestTensors,
    SearchQuery,
    check_encoder,
    lay_out,
    read_rows,
    refusal,
    serving_encoder,
    serving_threads,
)


class TritonPythonModel:
    """Serves `passage_search`."""

    def initialize(self, args: dict[str, str]) -> None:
        """Open the index that lies beside this file; refuse one that another encoder made."""
        folder = Path(args["model_repository"]) / args["model_version"]
        self.search = PassageSearch.load(folder, serving_threads(folder))
        if encoder := serving_encoder(folder):
            check_encoder(self.search.settings.encoder, encoder)

    def execute(self, requests: list[Any]) -> list[Any]:
        """Answer each request; a refused row leaves its neighbours unhurt and says why in ERROR."""
        rows = [read_rows(_tensors(request), self.search) for request in requests]
        queries = [row for request_rows in rows for row in request_rows if isinstance(row, SearchQuery)]
        found = iter(self.search.search(queries))
        return [self._respond(request_rows, found) for request_rows in rows]

    def _respond(
        self, rows: Sequence[SearchQuery | RefusedRow], found: Iterator[tuple[FoundPassage, ...]]
    ) -> Any:
        if reason := refusal(rows):
            error = pb_utils.TritonError(reason, pb_utils.TritonError.INVALID_ARG)
            return pb_utils.InferenceResponse(error=error)
        result = lay_out(rows, found)
        texts = [pb_utils.Tensor(f"PASSAGE_{name.upper()}", tensor) for name, tensor in result.texts.items()]
        scores = pb_utils.Tensor("PASSAGE_SCORE", result.scores)
        return pb_utils.InferenceResponse([*texts, scores, pb_utils.Tensor("ERROR", result.errors)])


def _tensors(request: Any) -> RequestTensors:
    queries = _values(request, "QUERY")
    vectors = pb_utils.get_input_tensor_by_name(request, "EMBEDDING").as_numpy()
    return RequestTensors(
        queries=queries.reshape(-1),
        vectors=vectors.reshape(len(queries), -1),
        errors=_values(request, "QUERY_ERROR").reshape(-1),
        retrievers=_optional(request, "RETRIEVER"),
        passages_k=_optional(request, "PASSAGES_K"),
    )


def _values(request: Any, name: str) -> Any:
    return pb_utils.get_input_tensor_by_name(request, name).as_numpy()


def _optional(request: Any, name: str) -> Any:
    tensor = pb_utils.get_input_tensor_by_name(request, name)
    return None if tensor is None else tensor.as_numpy().reshape(-1)
