"""Compressed models in folders: what is written is what is read, and nothing else reads it by mistake."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from export.graph import tiny_causal_models as causal
from export.graph import tiny_encoder_decoder_models as encoder_decoder
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM, PreTrainedModel
from triton_rag_export.compress import is_compressed, load_compressed, save_compressed
from triton_rag_export.errors import ModelSourceError
from triton_rag_export.graph.model_source import (
    load_causal_model,
    load_encoder_decoder_model,
    resolve_model,
)

MODELS: dict[str, Callable[[], PreTrainedModel]] = {
    name: make
    for variants in (causal.VARIANTS, encoder_decoder.VARIANTS)
    for name, make in variants.items()
    if "compressed" in name or "different widths" in name
}
SOURCE, TARGET = causal.random_tokens(30), causal.random_tokens(12, seed=1)


def logits(model: PreTrainedModel) -> np.ndarray:
    if model.config.is_encoder_decoder:
        return encoder_decoder.reference_logits(model, SOURCE, TARGET)
    return causal.reference_logits(model, SOURCE)


def loaded(folder: Path) -> Any:
    source = resolve_model(str(folder))
    config = json.loads((folder / "config.json").read_text())
    return (load_encoder_decoder_model if config.get("is_encoder_decoder") else load_causal_model)(source)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_compressed(MODELS["llama, compressed"](), tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", MODELS)
def test_a_model_is_read_back_as_it_was_written(name: str, tmp_path: Path) -> None:
    model = MODELS[name]()
    model.generation_config.eos_token_id = [2, 9]

    save_compressed(model, tmp_path)

    assert is_compressed(tmp_path)
    assert {path.suffix for path in tmp_path.iterdir()} == {".json", ".safetensors"}
    again = loaded(tmp_path)
    assert type(again) is type(model)
    assert again.generation_config.eos_token_id == [2, 9]
    assert {name: tensor.shape for name, tensor in again.state_dict().items()} == {
        name: tensor.shape for name, tensor in model.state_dict().items()
    }
    np.testing.assert_array_equal(logits(again), logits(model))


@pytest.mark.parametrize("name", MODELS)
def test_a_model_that_was_read_can_be_trained_and_written_again(name: str, tmp_path: Path) -> None:
    save_compressed(MODELS[name](), tmp_path / "first")
    model = loaded(tmp_path / "first").train()
    labels = {"labels": torch.tensor([TARGET])} if model.config.is_encoder_decoder else {}

    inputs = torch.tensor([SOURCE])
    loss = model(input_ids=inputs, **(labels or {"labels": inputs})).loss
    loss.backward()
    with torch.no_grad():
        for parameter in model.parameters():
            assert parameter.grad is not None
            parameter -= 0.01 * parameter.grad
    save_compressed(model.eval(), tmp_path / "second")

    np.testing.assert_array_equal(logits(loaded(tmp_path / "second")), logits(model))


def test_transformers_itself_does_not_read_it_by_mistake(folder: Path) -> None:
    with pytest.raises(OSError, match="no file named"):
        AutoModelForCausalLM.from_pretrained(folder)


def test_a_folder_that_transformers_wrote_is_not_compressed(tmp_path: Path) -> None:
    causal.tiny_llama().save_pretrained(tmp_path)

    assert not is_compressed(tmp_path)


@pytest.mark.parametrize(
    ("mark", "message"),
    [
        (None, r"config\.json has no triton_rag_compressed"),
        ([], r"config\.json has no triton_rag_compressed"),
        ({"format": 2}, "format 2; allowed: 1; use a newer triton-rag"),
    ],
)
def test_a_mark_that_cannot_be_used_is_named(mark: object, message: str, folder: Path) -> None:
    path = folder / "config.json"
    fields = json.loads(path.read_text())
    del fields["triton_rag_compressed"]
    path.write_text(json.dumps(fields if mark is None else fields | {"triton_rag_compressed": mark}))

    with pytest.raises(ModelSourceError, match=message):
        load_compressed(folder, AutoModelForCausalLM)


def test_tensors_that_do_not_fit_are_named(folder: Path) -> None:
    weights = folder / "compressed.safetensors"
    tensors = load_file(weights)
    lost = "model.layers.0.mlp.up_proj.second.weight"
    save_file({name: tensor for name, tensor in tensors.items() if name != lost}, weights)
    with pytest.raises(ModelSourceError, match=r"model\.layers\.0\.mlp\.up_proj.*compress the model again"):
        load_compressed(folder, AutoModelForCausalLM)

    save_file(tensors | {"model.norm.weight": torch.ones(3)}, weights)
    with pytest.raises(ModelSourceError, match=r"model\.norm\.weight.*compress the model again"):
        load_compressed(folder, AutoModelForCausalLM)

    weights.write_bytes(b"no tensors")
    with pytest.raises(ModelSourceError, match=r"compressed\.safetensors"):
        load_compressed(folder, AutoModelForCausalLM)


def test_another_kind_of_model_is_refused(folder: Path) -> None:
    with pytest.raises(ModelSourceError, match="LlamaConfig"):
        load_compressed(folder, AutoModelForSeq2SeqLM)
