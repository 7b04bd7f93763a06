"""A repository with the wire contract of `rag` and `rag_stream`, one small Python model each."""

from pathlib import Path

from triton_rag_client.contract import RAG, RAG_STREAM, ModelContract, TensorContract

__all__ = ["write_toy_pipeline"]

MODEL = '''
import time

import numpy as np
import triton_python_backend_utils as pb_utils

STREAMS = {streams}
PAUSE_S = {pause_s}


def tensors(text, finish_reason, tokens, title):
    titles = [[title]] if title else [[]]
    return [
        pb_utils.Tensor("{text}", np.array([[text]], dtype=np.object_)),
        pb_utils.Tensor("FINISH_REASON", np.array([[finish_reason]], dtype=np.object_)),
        pb_utils.Tensor("PROMPT_TOKENS", np.array([[7]], dtype=np.int32)),
        pb_utils.Tensor("ANSWER_TOKENS", np.array([[tokens]], dtype=np.int32)),
        pb_utils.Tensor("TOKEN_IDS", np.empty((1, 0), dtype=np.int32)),
        pb_utils.Tensor("TOKEN_LOGPROBS", np.empty((1, 0), dtype=np.float32)),
        pb_utils.Tensor("PASSAGES_USED", np.array([[1]], dtype=np.int32)),
        pb_utils.Tensor("PASSAGE_SCORE", np.zeros((1, len(titles[0])), dtype=np.float32)),
        *(
            pb_utils.Tensor(f"PASSAGE_{{field}}", np.array(titles, dtype=np.object_).reshape(1, -1))
            for field in ("ID", "TITLE", "SOURCE", "TEXT")
        ),
    ]


class TritonPythonModel:
    """Answers with the words of the question, over and over, MAX_TOKENS of them."""

    def execute(self, requests):
        return [self.answer(request) for request in requests] if not STREAMS else self.stream(requests)

    def stream(self, requests):
        for request in requests:
            sender = request.get_response_sender()
            words = self.words(request)
            sender.send(pb_utils.InferenceResponse(tensors("", "", 0, "the only passage")))
            for number, word in enumerate(words, start=1):
                time.sleep(PAUSE_S)
                reason = "length" if number == len(words) else ""
                sender.send(pb_utils.InferenceResponse(tensors(word, reason, number, "")))
            sender.send(flags=pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL)

    def answer(self, request):
        words = self.words(request)
        return pb_utils.InferenceResponse(tensors("".join(words), "length", len(words), "the only passage"))

    def words(self, request):
        text = pb_utils.get_input_tensor_by_name(request, "QUERY").as_numpy().flat[0].decode()
        given = pb_utils.get_input_tensor_by_name(request, "MAX_TOKENS")
        count = 4 if given is None else int(given.as_numpy().flat[0])
        words = text.split() * count
        return [f"{{word}} " for word in words[:count]]
'''


def write_toy_pipeline(repository: Path, *, pause_s: float = 0.0) -> Path:
    """Write the toy and return its repository.

    Args:
        repository: Where.
        pause_s: What it waits before each word of a streamed answer.
    """
    for contract, text in ((RAG, "ANSWER"), (RAG_STREAM, "ANSWER_DELTA")):
        version = repository / contract.name / "1"
        version.mkdir(parents=True)
        (version.parent / "config.pbtxt").write_text(_config(contract))
        (version / "model.py").write_text(MODEL.format(streams=contract.streams, pause_s=pause_s, text=text))
    return repository


def _config(contract: ModelContract) -> str:
    lines = [f'name: "{contract.name}"', 'backend: "python"', f"max_batch_size: {contract.max_rows}"]
    lines += [f"input {_tensor(tensor)}" for tensor in contract.inputs]
    lines += [f"output {_tensor(tensor)}" for tensor in contract.outputs]
    lines.append("instance_group [ { count: 1 kind: KIND_CPU } ]")
    if contract.streams:
        lines.append("model_transaction_policy { decoupled: true }")
    return "\n".join(lines)


def _tensor(tensor: TensorContract) -> str:
    data_type = "STRING" if tensor.data_type == "BYTES" else tensor.data_type
    optional = "optional: true" if tensor.optional else ""
    return f'{{ name: "{tensor.name}" data_type: TYPE_{data_type} dims: {list(tensor.dims)} {optional} }}'
