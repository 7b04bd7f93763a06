"""The peers of `benchmarks/encoder.py`, each as users run it: text in, normalized vectors out.

Each takes the same number of threads. The graphs of ONNX Runtime and OpenVINO are torch's export of the same
model with mean pooling and normalization inside, fed with the same tokenizer.
"""

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime
import torch
from query_tokenization import QueryTokenizer

Vectors = npt.NDArray[np.float32]
Encode = Callable[[Sequence[str]], Vectors]
Padded = dict[str, npt.NDArray[np.int64]]

TEXTS_A_CALL = 4


def sentence_transformers_peer(folder: Path, threads: int) -> Encode:
    """sentence-transformers on torch, its whole batch in one call."""
    from sentence_transformers import SentenceTransformer

    torch.set_num_threads(threads)
    model = SentenceTransformer(str(folder), device="cpu")

    def encode(texts: Sequence[str]) -> Vectors:
        vectors: Vectors = model.encode(list(texts), batch_size=len(texts), show_progress_bar=False)
        return vectors

    return encode


def padded_graph(folder: Path, path: Path) -> None:
    """Write torch's ONNX export with padding and mask: what quantizers and converters start from."""
    from transformers import AutoModel

    class Pooled(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = AutoModel.from_pretrained(folder, dtype=torch.float32).eval()

        def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
            states = self.model(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
            mask = attention_mask[..., None].to(states.dtype)
            mean = (states * mask).sum(dim=1) / mask.sum(dim=1)
            return torch.nn.functional.normalize(mean, dim=-1)

    example = (torch.ones((2, 8), dtype=torch.int64), torch.ones((2, 8), dtype=torch.int64))
    axes = {0: torch.export.Dim("texts", min=1, max=1024), 1: torch.export.Dim("tokens", min=2, max=512)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            Pooled(),
            example,
            path,
            input_names=["input_ids", "attention_mask"],
            output_names=["vectors"],
            dynamic_shapes=(axes, axes),
            dynamo=True,
            external_data=False,
            verbose=False,
        )


def ort_dynamic_peer(graph: Path, tokenizer: QueryTokenizer, threads: int) -> Encode:
    """ONNX Runtime's `quantize_dynamic` on the graph its own transformer optimizer made: one scale a call."""
    from onnxruntime.quantization import QuantType, quantize_dynamic
    from onnxruntime.transformers.optimizer import optimize_model

    optimized, quantized = graph.with_suffix(".optimized.onnx"), graph.with_suffix(".dynamic.onnx")
    optimize_model(str(graph), model_type="bert", num_heads=12, hidden_size=384).save_model_to_file(
        str(optimized)
    )
    quantize_dynamic(optimized, quantized, per_channel=True, weight_type=QuantType.QInt8)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(str(quantized), options, providers=["CPUExecutionProvider"])

    def encode(texts: Sequence[str]) -> Vectors:
        vectors: Vectors = session.run(None, dict(_padded(tokenizer.encode_texts(texts))))[0]
        return vectors

    return encode


def openvino_peers(
    graph: Path, tokenizer: QueryTokenizer, calibration_texts: Sequence[str], threads: int
) -> dict[str, Encode]:
    """OpenVINO in FP32 and in INT8 by NNCF, both padded in one call and four sorted texts a call."""
    import nncf
    import openvino

    core = openvino.Core()
    settings = {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_NUM_THREADS": threads,
        "INFERENCE_PRECISION_HINT": "f32",
    }
    model = core.read_model(graph)
    samples = [_padded([ids]) for ids in tokenizer.encode_texts(calibration_texts)]
    quantized = nncf.quantize(
        core.read_model(graph),
        nncf.Dataset(samples),
        model_type=nncf.ModelType.TRANSFORMER,
        subset_size=len(samples),
    )
    peers = {}
    for name, chosen in (("openvino fp32", model), ("openvino nncf int8", quantized)):
        compiled = core.compile_model(chosen, "CPU", settings)
        peers[f"{name}, one call"] = _openvino(compiled, tokenizer, None)
        peers[f"{name}, sorted fours"] = _openvino(compiled, tokenizer, TEXTS_A_CALL)
    return peers


def _openvino(compiled: Any, tokenizer: QueryTokenizer, texts_a_call: int | None) -> Encode:
    request = compiled.create_infer_request()

    def encode(texts: Sequence[str]) -> Vectors:
        rows = tokenizer.encode_texts(texts)
        order = sorted(range(len(rows)), key=lambda index: len(rows[index]))
        step = texts_a_call or len(rows)
        calls = [order[start : start + step] for start in range(0, len(rows), step)]
        vectors: list[Vectors] = [np.empty(0, dtype=np.float32)] * len(rows)
        for call in calls:
            found = request.infer(_padded([rows[index] for index in call]))[0]
            for index, vector in zip(call, found.copy(), strict=True):
                vectors[index] = vector
        return np.stack(vectors)

    return encode


def _padded(rows: Sequence[npt.NDArray[np.int32]]) -> Padded:
    longest = max(len(row) for row in rows)
    ids = np.zeros((len(rows), longest), dtype=np.int64)
    mask = np.zeros_like(ids)
    for number, row in enumerate(rows):
        ids[number, : len(row)] = row
        mask[number, : len(row)] = 1
    return {"input_ids": ids, "attention_mask": mask}
