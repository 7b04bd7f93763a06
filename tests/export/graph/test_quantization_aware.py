"""Models trained for INT8 become the very bytes that they were trained with."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from export.graph.conftest import PARAGRAPHS, exported
from export.graph.saved_generators import saved
from export.graph.tiny_causal_models import CONTEXT_TOKENS, random_tokens, tiny_llama
from export.graph.tiny_causal_models import VARIANTS as CAUSAL_VARIANTS
from export.graph.tiny_encoder_decoder_models import tiny_bart, tiny_flan, tiny_t5
from onnx import numpy_helper
from tiny_encoders import TinyEncoder, save_tiny_encoder
from transformers import AutoModel, PreTrainedModel
from triton_rag_export.compress.quantization import fake_quantized, quantize, quantized_linears, scale_of
from triton_rag_export.graph.causal import CausalExport, export_causal
from triton_rag_export.graph.encoder import EncoderExport
from triton_rag_export.graph.encoder_decoder import EncoderDecoderExport, export_encoder_decoder
from triton_rag_export.graph.model_source import ModelSource, resolve_model
from triton_rag_export.graph.quantization_aware import (
    forget_quantization_aware,
    is_quantization_aware,
    mark_quantization_aware,
)

TEXTS = tuple(" ".join(f"w{token:03}" for token in random_tokens(40, seed)) for seed in range(8))
COMPRESSED = "llama, compressed, with biases"
GENERATORS: dict[str, Callable[[], PreTrainedModel]] = {
    "llama": tiny_llama,
    "llama, tied head": lambda: tiny_llama(tie_word_embeddings=True),
    COMPRESSED: CAUSAL_VARIANTS[COMPRESSED],
    "t5": tiny_t5,
    "flan": tiny_flan,
    "bart": tiny_bart,
}


def columns_of(folder: Path) -> set[bytes]:
    """What the graphs in a folder keep in bytes, output channel by output channel, around 128."""
    found: set[bytes] = set()
    for path in folder.glob("*.onnx"):
        for tensor in onnx.load(str(path)).graph.initializer:
            array = numpy_helper.to_array(tensor)
            if array.dtype == np.uint8 and array.ndim == 4:  # (groups, inputs / 4, columns, 4)
                array = array.transpose(1, 3, 0, 2).reshape(array.shape[1] * 4, -1)
            elif array.dtype == np.int8 and array.ndim == 2:  # (inputs, outputs)
                array = (array.astype(np.int16) + 128).astype(np.uint8)
            else:
                continue
            found |= {column.tobytes() for column in np.ascontiguousarray(array.T)}
    return found


def columns_in_training(linear: torch.nn.Linear) -> set[bytes]:
    """What fake quantization computes a layer with, laid out like `columns_of`."""
    weight = linear.weight.detach()  # (outputs, inputs)
    whole = quantize(weight, scale_of(weight)).numpy().astype(np.int16) + 128
    whole = np.pad(whole, ((0, 0), (0, -whole.shape[1] % 4)), constant_values=128).astype(np.uint8)
    return {row.tobytes() for row in whole}


def export_int8(source: ModelSource, folder: Path, *, is_encoder_decoder: bool) -> float:
    folder.mkdir()
    if is_encoder_decoder:
        sizes = {"source_tokens": 60, "target_tokens": 14}
        report = export_encoder_decoder(
            source, EncoderDecoderExport("int8", calibration_texts=TEXTS, **sizes), folder
        )
    else:
        report = export_causal(source, CausalExport("int8", CONTEXT_TOKENS, TEXTS), folder)
    assert report.kl is not None
    return report.kl


@pytest.mark.parametrize("name", GENERATORS)
def test_an_export_keeps_the_bytes_of_training(name: str, tmp_path: Path) -> None:
    model = GENERATORS[name]()
    is_encoder_decoder = model.config.is_encoder_decoder
    mark_quantization_aware(model)
    source = saved(model, tmp_path / "model", is_compressed=name == COMPRESSED)

    export_int8(source, tmp_path / "aware", is_encoder_decoder=is_encoder_decoder)
    forget_quantization_aware(model)
    unaware = saved(model, tmp_path / "plain", is_compressed=name == COMPRESSED)
    export_int8(unaware, tmp_path / "smoothed", is_encoder_decoder=is_encoder_decoder)

    kept, smoothed = columns_of(tmp_path / "aware"), columns_of(tmp_path / "smoothed")
    expected = [columns_in_training(linear) for linear in quantized_linears(model)]
    assert all(columns <= kept for columns in expected)
    assert not all(columns <= smoothed for columns in expected)


@pytest.mark.parametrize("name", ["llama", "flan"])
def test_what_is_served_computes_what_training_did(name: str, tmp_path: Path) -> None:
    """The distance that the export measures to the float model is that of the model under training."""
    model = GENERATORS[name]()
    mark_quantization_aware(model)
    source = saved(model, tmp_path / "model")

    kl = export_int8(source, tmp_path / "served", is_encoder_decoder=model.config.is_encoder_decoder)

    tokens = torch.tensor([random_tokens(40, seed) for seed in range(8)])
    inputs = {"input_ids": tokens}
    if model.config.is_encoder_decoder:
        inputs["labels"] = tokens[:, :14].contiguous()
    with torch.no_grad():
        plain = model(**inputs).logits.double().log_softmax(-1)
        with fake_quantized(model):
            pretended = model(**inputs).logits.double().log_softmax(-1)
    expected = float((plain.exp() * (plain - pretended)).sum(-1).mean())
    assert kl == pytest.approx(expected, rel=0.5)


def test_an_encoder_keeps_the_bytes_of_training(tmp_path: Path) -> None:
    folder = save_tiny_encoder(TinyEncoder(width=32, heads=4, inner=64), tmp_path / "model")
    model = AutoModel.from_pretrained(folder)
    mark_quantization_aware(model)
    model.save_pretrained(folder)
    (tmp_path / "served").mkdir()

    settings = EncoderExport(precision="int8", calibration_texts=PARAGRAPHS)
    export = exported(resolve_model(str(folder)), settings, tmp_path / "served")

    kept = columns_of(tmp_path / "served")
    assert all(columns_in_training(linear) <= kept for linear in quantized_linears(model))
    assert export.report.to_fp32 is not None
    assert export.report.to_fp32.mean > 0.99


def test_the_mark_goes_with_the_model_and_can_be_taken_away(tmp_path: Path) -> None:
    model = tiny_llama()
    assert not is_quantization_aware(model)
    mark_quantization_aware(model)
    model.save_pretrained(tmp_path)

    again = type(model).from_pretrained(tmp_path)

    assert is_quantization_aware(again)
    forget_quantization_aware(again)
    forget_quantization_aware(again)
    assert not is_quantization_aware(again)
