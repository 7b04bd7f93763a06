"""What lies in a version folder decides the adapter; a file that cannot be used is named."""

import json
from pathlib import Path

import pytest
from export.graph.tiny_causal_models import CONTEXT_TOKENS, tiny_llama
from export.graph.tiny_causal_models import described as described_causal
from export.graph.tiny_encoder_decoder_models import described, tiny_bart
from generation import ServingSettings, SettingsError
from generation.causal import CausalAdapter
from generation.encoder_decoder import EncoderDecoderAdapter
from generation.loading import load_adapter, load_tokenizer
from triton_rag_export.graph.causal import CausalExport, write_causal
from triton_rag_export.graph.encoder_decoder import write_encoder_decoder

SETTINGS = ServingSettings(
    slots=2, context_tokens=CONTEXT_TOKENS, max_tokens=20, default_max_tokens=10, threads=1
)


def test_a_causal_model_holds_prompt_and_answer_together(tmp_path: Path) -> None:
    write_causal(
        described_causal(tiny_llama()), CausalExport("fp32", CONTEXT_TOKENS), frozenset({2}), tmp_path
    )

    adapter = load_adapter(tmp_path, SETTINGS)

    assert isinstance(adapter, CausalAdapter)
    assert (adapter.slots, adapter.capacity, adapter.source_capacity) == (2, CONTEXT_TOKENS, 0)


def test_an_encoder_decoder_model_has_a_room_for_each(tmp_path: Path) -> None:
    write_encoder_decoder(described(tiny_bart()), "fp32", frozenset({2}), tmp_path)

    adapter = load_adapter(tmp_path, SETTINGS)

    assert isinstance(adapter, EncoderDecoderAdapter)
    assert (adapter.slots, adapter.capacity, adapter.source_capacity) == (2, 21, CONTEXT_TOKENS)
    adapter.check_room(CONTEXT_TOKENS, SETTINGS.max_tokens)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[", "generator.json: .*build the repository again"),
        ("[]", "generator.json: .*build the repository again"),
        (json.dumps({"kind": "diffusion"}), "kind is 'diffusion'; allowed: 'causal', 'encoder-decoder'"),
        (json.dumps({"kind": "encoder-decoder"}), "generator.json: .*build the repository again"),
    ],
)
def test_a_description_that_cannot_be_used_is_named(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "generator.json").write_text(text)

    with pytest.raises(SettingsError, match=message):
        load_adapter(tmp_path, SETTINGS)


def test_a_missing_description_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"generator\.json"):
        load_adapter(tmp_path, SETTINGS)


@pytest.mark.parametrize("text", [None, "", "{}"])
def test_a_tokenizer_that_cannot_be_loaded_is_named(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "tokenizer.json").write_text(text)
    with pytest.raises(SettingsError, match=r"tokenizer\.json: .*; build the repository again"):
        load_tokenizer(tmp_path)
