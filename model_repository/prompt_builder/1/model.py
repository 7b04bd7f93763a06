"""Triton adapter of `prompt_builder`: tensors in, a prompt a row, tensors out."""

from pathlib import Path
from typing import Any

import triton_python_backend_utils as pb_utils
from prompting import PromptBuilder, PromptingError, PromptTensors, lay_out, read_rows


class TritonPythonModel:
    """One prompt a row; a row that cannot become a prompt fails its own request and no other."""

    def initialize(self, args: dict[str, str]) -> None:
        """Load the tokenizer and the rendered template."""
        self._builder = PromptBuilder.load(Path(args["model_repository"]) / args["model_version"])

    def execute(self, requests: list[Any]) -> list[Any]:
        """Answer every request, in order."""
        return [self._respond(request) for request in requests]

    def _respond(self, request: Any) -> Any:
        try:
            prompts = [
                self._builder.build(row.query, row.passages, row.max_tokens)
                for row in read_rows(_tensors(request))
            ]
        except PromptingError as error:
            refused = pb_utils.TritonError(str(error), pb_utils.TritonError.INVALID_ARG)
            return pb_utils.InferenceResponse(error=refused)
        ids, passages_used = lay_out(prompts)
        return pb_utils.InferenceResponse(
            [pb_utils.Tensor("PROMPT_IDS", ids), pb_utils.Tensor("PASSAGES_USED", passages_used)]
        )


def _tensors(request: Any) -> PromptTensors:
    return PromptTensors(
        queries=_values(request, "QUERY"),
        passage_ids=_values(request, "PASSAGE_ID"),
        titles=_values(request, "PASSAGE_TITLE"),
        texts=_values(request, "PASSAGE_TEXT"),
        max_tokens=_values(request, "MAX_TOKENS"),
    )


def _values(request: Any, name: str) -> Any:
    tensor = pb_utils.get_input_tensor_by_name(request, name)
    return None if tensor is None else tensor.as_numpy()
