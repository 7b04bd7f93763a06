"""Triton's adapter of `query_encoding`: tensors in, one call, tensors out."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import triton_python_backend_utils as pb_utils
from query_encoding import QueryEncoder, TokenIdsError

SERVING_FILE = "serving.json"


class TritonPythonModel:
    """Serves `query_encoder`."""

    def initialize(self, args: dict[str, str]) -> None:
        """Load the graph that lies beside this file."""
        folder = Path(args["model_repository"]) / args["model_version"]
        serving = folder / SERVING_FILE
        threads = (
            json.loads(serving.read_text(encoding="utf-8")).get("threads", 0) if serving.is_file() else 0
        )
        self.encoder = QueryEncoder.load(folder, threads)

    def execute(self, requests: list[Any]) -> list[Any]:
        """Encode all rows of all requests together; a request that is refused leaves the others unhurt."""
        responses: dict[int, Any] = {}
        texts: list[npt.NDArray[np.int32]] = []
        rows: dict[int, list[int]] = {}  # of each request, the texts its rows became; -1: none
        for number, request in enumerate(requests):
            input_ids = pb_utils.get_input_tensor_by_name(request, "INPUT_IDS").as_numpy()
            lengths = pb_utils.get_input_tensor_by_name(request, "LENGTH").as_numpy().reshape(-1)
            try:
                self.encoder.check(input_ids, lengths)
            except TokenIdsError as error:
                refusal = pb_utils.TritonError(str(error), pb_utils.TritonError.INVALID_ARG)
                responses[number] = pb_utils.InferenceResponse(error=refusal)
                continue
            rows[number] = []
            for row, length in zip(input_ids, lengths, strict=True):
                rows[number].append(len(texts) if length else -1)
                if length:
                    texts.append(row[:length])
        nothing = np.full((1, self.encoder.dim), np.nan, dtype=np.float32)
        vectors = np.concatenate([self.encoder.encode_ragged(texts), nothing])  # -1 finds the last row
        for number, indexes in rows.items():
            tensor = pb_utils.Tensor("EMBEDDING", vectors[indexes])
            responses[number] = pb_utils.InferenceResponse([tensor])
        return [responses[number] for number in range(len(requests))]
