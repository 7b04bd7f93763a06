import dataclasses
import json
from pathlib import Path

import pytest
from export.graph.tiny_causal_models import CONTEXT_TOKENS, VOCABULARY, random_tokens, tiny_llama
from generation import SlotRows
from generation.causal import CausalAdapter, CausalDescription
from generation.session import has_cuda
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from transformers import PreTrainedTokenizerFast
from triton_rag_export.errors import BuildError, UnsupportedModelError
from triton_rag_export.graph.causal import CausalExport, _limited, export_causal
from triton_rag_export.graph.causal_model import LayerShape
from triton_rag_export.graph.model_source import ModelSource, resolve_model

TEXTS = tuple(" ".join(f"w{token:03}" for token in random_tokens(50, seed)) for seed in range(8))


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> ModelSource:
    folder = tmp_path_factory.mktemp("tiny")
    model = tiny_llama()
    model.generation_config.eos_token_id = [2, 9]
    model.save_pretrained(folder)
    words = Tokenizer(WordLevel({f"w{token:03}": token for token in range(VOCABULARY)}, unk_token="w000"))
    words.pre_tokenizer = Whitespace()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=words, unk_token="w000", eos_token="w007")
    tokenizer.save_pretrained(folder)
    return resolve_model(str(folder))


@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8", "int4"])
def test_an_export_is_complete_and_says_how_close_it_is(precision, source, tmp_path):
    report = export_causal(source, CausalExport(precision, CONTEXT_TOKENS, TEXTS), tmp_path)

    assert {path.name for path in tmp_path.iterdir()} == {
        "generator.onnx",
        "generator.onnx.data",
        "generator.json",
        "libtriton_rag_kernels.so",
        "tokenizer.json",
    }
    assert report.layers == (LayerShape(4, 2, 56),) * 2
    assert report.vocabulary_size == VOCABULARY
    assert report.compared_tokens == 100  # every fourth of eight texts of fifty tokens
    assert report.kl < {"fp32": 1e-9, "fp16": 1e-4, "int8": 0.05, "int4": 1.5}[precision]
    assert report.top1_agreement > {"fp32": 0.999, "fp16": 0.98, "int8": 0.8, "int4": 0.3}[precision]


@pytest.mark.parametrize(("precision", "largest_kl"), [("fp32", 1e-9), ("fp16", 1e-3)])
def test_an_export_for_a_gpu_says_what_it_was_checked_on(precision, largest_kl, source, tmp_path):
    settings = CausalExport(precision, CONTEXT_TOKENS, TEXTS, cache=precision, device="cuda")
    report = export_causal(source, settings, tmp_path)

    assert {path.name for path in tmp_path.iterdir()} == {
        "generator.onnx",
        "generator.onnx.data",
        "copy_cache.onnx",
        "generator.json",
        "tokenizer.json",
    }
    assert (report.device, report.checked_on) == ("cuda", "cuda" if has_cuda() else "cpu")
    assert report.kl < largest_kl
    assert CausalDescription.load(tmp_path).device == "cuda"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"precision": "int8"}, 'precision is "int8" with device "cuda"; allowed: "fp32", "fp16"'),
        ({"precision": "int4"}, 'precision is "int4"'),
        ({"precision": "fp16", "cache": "int8"}, 'cache is "int8"'),
    ],
)
def test_what_a_gpu_cannot_do_is_refused(settings, message, source, tmp_path):
    export = CausalExport(context_tokens=CONTEXT_TOKENS, calibration_texts=TEXTS, device="cuda", **settings)

    with pytest.raises(BuildError, match=message):
        export_causal(source, export, tmp_path)


def test_an_int8_cache_is_calibrated_and_judged(source, tmp_path):
    report = export_causal(source, CausalExport("fp32", CONTEXT_TOKENS, TEXTS, cache="int8"), tmp_path)

    assert report.cache == CausalDescription.load(tmp_path).cache == "int8"
    assert 1e-6 < report.kl < 0.02
    with pytest.raises(BuildError, match="an INT8 cache without calibration_texts"):
        export_causal(source, CausalExport("fp32", CONTEXT_TOKENS, cache="int8"), tmp_path)


def test_a_cache_of_half_the_bytes_changes_next_to_nothing(source, tmp_path):
    report = export_causal(source, CausalExport("fp32", CONTEXT_TOKENS, TEXTS, cache="fp16"), tmp_path)

    assert report.cache == CausalDescription.load(tmp_path).cache == "fp16"
    assert 0 < report.kl < 1e-5
    assert report.top1_agreement > 0.99


def test_smaller_precisions_are_smaller_files(source, tmp_path):
    sizes = {}
    for precision in ("fp32", "fp16", "int8", "int4"):
        (tmp_path / precision).mkdir()
        settings = CausalExport(precision, CONTEXT_TOKENS, TEXTS)
        sizes[precision] = export_causal(source, settings, tmp_path / precision).size_bytes

    assert sizes["fp32"] > sizes["fp16"] > sizes["int8"] > sizes["int4"]


def test_every_end_token_of_model_and_tokenizer_ends_an_answer(source, tmp_path):
    export_causal(source, CausalExport("fp32", CONTEXT_TOKENS), tmp_path)

    assert CausalDescription.load(tmp_path).end_token_ids == {2, 7, 9}


def test_without_texts_nothing_is_claimed(source, tmp_path):
    report = export_causal(source, CausalExport("fp32", CONTEXT_TOKENS), tmp_path)

    assert (report.kl, report.top1_agreement, report.compared_tokens) == (None, None, 0)


@pytest.mark.parametrize("precision", ["int8", "int4"])
def test_whole_numbers_want_texts_to_calibrate_with(precision, source, tmp_path):
    with pytest.raises(BuildError, match=f"{precision.upper()} without calibration_texts"):
        export_causal(source, CausalExport(precision, CONTEXT_TOKENS), tmp_path)


def test_a_context_longer_than_the_model_was_trained_for_is_refused(source, tmp_path):
    with pytest.raises(UnsupportedModelError, match=r"context_tokens is 129; allowed: at most .* 128"):
        export_causal(source, CausalExport("fp32", 129), tmp_path)


@pytest.mark.parametrize("precision", ["int8", "int4"])
def test_the_same_export_gives_the_same_bytes(precision, source, tmp_path):
    contents = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        export_causal(source, CausalExport(precision, CONTEXT_TOKENS, TEXTS), tmp_path / name)
        contents.append({path.name: path.read_bytes() for path in (tmp_path / name).iterdir()})

    assert contents[0] == contents[1]


def test_an_export_serves_its_whole_context(source, tmp_path):
    export_causal(source, CausalExport("fp32", CONTEXT_TOKENS), tmp_path)
    adapter = CausalAdapter.load(tmp_path, slots=2, capacity=CONTEXT_TOKENS, threads=1)

    rows = [SlotRows(slot, tuple(random_tokens(CONTEXT_TOKENS)), 0, 1) for slot in range(2)]

    assert adapter.step(rows, logits=False).token_ids.shape == (2,)


def test_the_description_is_read_back_as_it_was_written(tmp_path):
    description = CausalDescription("llama", "int8", (3, 1), 64, 99, frozenset({2, 5}), 128, 7, "int8")

    description.save(tmp_path)

    assert CausalDescription.load(tmp_path) == description
    fields = json.loads(Path(tmp_path / "generator.json").read_text())
    assert set(fields) == {field.name for field in dataclasses.fields(CausalDescription)}


def test_the_token_budget_is_shared_by_all_texts():
    sequences = [[1] * 10, [2] * 3, [3] * 10]

    assert _limited(sequences, 15) == [[1] * 6, [2] * 3, [3] * 6]
    assert _limited(sequences, 100) == sequences
    assert _limited([], 5) == []
