"""Trained models load again, whichever of the two layouts they need."""

from pathlib import Path
from typing import Any

import pytest
import torch
from export.compress.families import FAMILIES, outputs_of
from export.graph.tiny_causal_models import random_tokens, tiny_llama
from export.graph.tiny_causal_models import reference_logits as causal_logits
from export.graph.tiny_encoder_decoder_models import reference_logits, tiny_bart, tiny_flan, tiny_t5
from tiny_encoders import byte_tokenizer
from transformers import AutoModelForCausalLM, PreTrainedModel, PreTrainedTokenizerFast
from triton_rag_export.compress import FactorizedLinear, is_compressed, keep_layers, load_compressed
from triton_rag_export.compress.pruning import PruneSettings, prune_model
from triton_rag_export.compress.trained_model import fits_configuration, save_trained
from triton_rag_export.errors import TrainingError
from triton_rag_export.graph.model_source import (
    load_causal_model,
    load_encoder_decoder_model,
    load_tokenizer,
    resolve_model,
)

TOKENIZER = PreTrainedTokenizerFast(tokenizer_object=byte_tokenizer(), eos_token="</s>")


def logits(model: PreTrainedModel) -> Any:
    if model.config.is_encoder_decoder:
        return reference_logits(model, random_tokens(9), random_tokens(4))
    return causal_logits(model, random_tokens(9))


def without_a_layer(model: PreTrainedModel) -> PreTrainedModel:
    keep_layers(model, [0, 2])
    return model


@pytest.mark.parametrize(
    ("model", "compressed"),
    [
        (tiny_llama(), False),
        (without_a_layer(tiny_llama(num_hidden_layers=3)), False),
        (without_a_layer(tiny_bart()), False),
        (tiny_t5(), False),
        (tiny_flan(), False),
        (without_a_layer(tiny_t5(num_decoder_layers=3)), True),  # its layers have tables of their own
    ],
    ids=["llama", "shorter llama", "shorter bart", "t5", "flan-t5", "shorter t5"],
)
def test_a_saved_model_says_the_same(tmp_path: Path, model: PreTrainedModel, compressed: bool) -> None:
    save_trained(model, TOKENIZER, tmp_path)
    assert is_compressed(tmp_path) is compressed
    source = resolve_model(str(tmp_path))
    load = load_encoder_decoder_model if model.config.is_encoder_decoder else load_causal_model
    assert (logits(load(source)) == logits(model)).all()
    assert load_tokenizer(source).get_vocab() == TOKENIZER.get_vocab()


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_blocks_that_are_all_as_narrow_need_no_layout_of_their_own(tmp_path: Path, family: str) -> None:
    model = FAMILIES[family]().eval()
    prune_model(model, PruneSettings(importance="magnitude", neurons=0.5), losses=())
    expected = outputs_of(model)
    save_trained(model, TOKENIZER, tmp_path)
    assert not is_compressed(tmp_path)
    assert (outputs_of(type(model).from_pretrained(tmp_path).eval()) == expected).all()


def test_a_compressed_model_that_fits_again_is_saved_as_any_other(tmp_path: Path) -> None:
    model = tiny_llama()
    plain = model.model.layers[0].mlp.up_proj
    model.model.layers[0].mlp.up_proj = FactorizedLinear.nearest(plain, 3)
    assert not fits_configuration(model)
    save_trained(model, TOKENIZER, tmp_path / "factors")
    loaded = load_compressed(tmp_path / "factors", AutoModelForCausalLM)
    loaded.model.layers[0].mlp.up_proj = torch.nn.Linear(*plain.weight.shape[::-1], bias=False)
    save_trained(loaded, TOKENIZER, tmp_path / "plain")
    assert not is_compressed(tmp_path / "plain")
    assert "triton_rag_compressed" not in (tmp_path / "plain" / "config.json").read_text(encoding="utf-8")


@pytest.mark.parametrize("in_the_way", ["model.safetensors", "compressed.safetensors", ""])
def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path, in_the_way: str) -> None:
    """A folder where the weights shall lie, or a file where the folder shall be."""
    model = tiny_llama()
    if in_the_way.startswith("compressed"):
        model.model.layers[0].mlp.up_proj = FactorizedLinear.nearest(model.model.layers[0].mlp.up_proj, 2)
    if in_the_way:
        (tmp_path / "model" / in_the_way).mkdir(parents=True)
    else:
        (tmp_path / "model").write_text("a file")
    with pytest.raises(TrainingError, match=r"model cannot be written \(.*free the disk, and run again"):
        save_trained(model, TOKENIZER, tmp_path / "model")
