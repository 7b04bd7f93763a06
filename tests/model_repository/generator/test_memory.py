"""What a generator takes of memory is counted, told once at load, and bounded where the settings say so."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest
from export.graph.tiny_causal_models import CONTEXT_TOKENS, VARIANTS, tiny_llama
from export.graph.tiny_causal_models import described as described_causal
from export.graph.tiny_encoder_decoder_models import described, tiny_bart
from generation import ServingSettings, SettingsError
from generation.causal import CausalAdapter
from generation.loading import load_adapter, load_engine, memory_of
from generation.memory import GeneratorMemory
from tokenizers import Tokenizer
from transformers import PreTrainedModel
from triton_rag_export.graph.activations import causal_layer_channels
from triton_rag_export.graph.causal import CausalExport, write_causal
from triton_rag_export.graph.encoder_decoder import write_encoder_decoder

SETTINGS = ServingSettings(
    slots=2,
    context_tokens=CONTEXT_TOKENS,
    prefill_chunk=10,
    max_tokens=20,
    default_max_tokens=10,
    threads=1,
    max_draft_tokens=3,
)
ROWS = 10 + 2 * (1 + 3)  # a chunk of prompts; of each slot the next token and guesses
OUTPUTS = 2 * (1 + 3)
VOCABULARY = 301


def written_llama(folder: Path, make: Callable[[], PreTrainedModel] = tiny_llama) -> Path:
    model = described_causal(make())
    write_causal(model, CausalExport("fp32", CONTEXT_TOKENS), frozenset({2}), folder)
    return folder


def written_bart(folder: Path) -> Path:
    write_encoder_decoder(described(tiny_bart()), "fp32", frozenset({2}), folder)
    return folder


def test_on_a_gpu_scores_and_gathered_caches_count_too(tmp_path: Path) -> None:
    model = described_causal(tiny_llama())
    folders = [tmp_path / device for device in ("cpu", "cuda")]
    for folder in folders:
        folder.mkdir()
        write_causal(model, CausalExport("fp32", CONTEXT_TOKENS, device=folder.name), frozenset({2}), folder)

    on_cpu = memory(folders[0])
    adapter = CausalAdapter.load(folders[1], slots=2, capacity=CONTEXT_TOKENS, device="cpu")
    on_gpu = memory_of(folders[1], adapter, SETTINGS)

    scores = 2 * ROWS * 4 * CONTEXT_TOKENS  # padded rows, query heads, keys
    assert on_gpu.caches == on_cpu.caches
    assert on_gpu.activations - on_cpu.activations == 3 * 4 * scores + 2 * on_cpu.caches // 2


@pytest.fixture
def engine_folder(tmp_path: Path, tokenizer: Tokenizer) -> Path:
    written_llama(tmp_path)
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    SETTINGS.save(tmp_path)
    return tmp_path


def memory(folder: Path, settings: ServingSettings = SETTINGS) -> GeneratorMemory:
    return memory_of(folder, load_adapter(folder, settings), settings)


def test_weights_are_the_files_and_caches_the_adapters(tmp_path: Path) -> None:
    found = memory(written_bart(tmp_path))

    files = [path for path in tmp_path.iterdir() if ".onnx" in path.name]
    assert len(files) == 4  # two graphs and their weights
    assert found.weights == sum(path.stat().st_size for path in files)
    assert found.caches == load_adapter(tmp_path, SETTINGS).cache_bytes
    assert found.total == found.weights + found.caches + found.activations


def test_activations_are_those_of_the_largest_step(tmp_path: Path) -> None:
    hidden, feed_forward, projections = 72, 56, (4 + 2 + 2) * 16
    channels = 4 * hidden + 2 * projections + 3 * feed_forward

    found = memory(written_llama(tmp_path))

    assert found.activations == 4 * (ROWS * channels + 2 * OUTPUTS * VOCABULARY)


def test_an_encoder_reads_a_whole_source_at_once(tmp_path: Path) -> None:
    hidden = 60  # and as many channels of queries, of keys, of values, whatever the number of heads
    decoder = 3 * 2 * hidden + 2 * 2 * 3 * hidden + 3 * 47
    encoder = 2 * 2 * hidden + 2 * 3 * hidden + 3 * 51

    found = memory(written_bart(tmp_path))

    assert found.activations == 4 * (ROWS * decoder + 2 * OUTPUTS * VOCABULARY + CONTEXT_TOKENS * encoder)


def test_ranks_count_and_the_widest_layer_decides() -> None:
    model = described_causal(VARIANTS["llama, compressed"]())
    first, second, third = (causal_layer_channels((layer,)) for layer in model.layers)

    assert causal_layer_channels(model.layers) == max(first, second, third)
    plain = 4 * 72 + 2 * (4 + 2 + 2) * 16 + 3 * 56
    assert first == plain + 1 + 7 + 9  # ranks of its query, up and down


def test_one_line_tells_what_is_taken(engine_folder: Path) -> None:
    lines: list[str] = []

    load_engine(engine_folder, lines.append)

    found = memory(engine_folder)
    assert lines == [f"generator: {found}"]
    assert str(GeneratorMemory(1_250_000, 2_000_000_000, 350_000)) == (
        "weights 1.2 MB, caches 2,000.0 MB, activations at most 0.3 MB, together 2,001.6 MB"
    )


def test_a_generator_that_takes_too_much_is_refused_with_the_numbers(engine_folder: Path) -> None:
    least = memory(engine_folder).total // 1_000_000 + 1
    many = dataclasses.replace(SETTINGS, slots=40, max_memory_mb=least)
    many.save(engine_folder)
    lines: list[str] = []

    with pytest.raises(SettingsError, match=rf"max_memory_mb is {least}, .*weights .*caches .*together"):
        load_engine(engine_folder, lines.append)

    assert lines == [f"generator: {memory(engine_folder, many)}"]
    dataclasses.replace(SETTINGS, max_memory_mb=least).save(engine_folder)
    load_engine(engine_folder)


def test_without_a_limit_nothing_is_refused() -> None:
    GeneratorMemory(10**15, 10**15, 10**15).check(0)
    with pytest.raises(SettingsError, match="max_memory_mb is 1, "):
        GeneratorMemory(500_000, 500_000, 1).check(1)
    GeneratorMemory(500_000, 500_000, 0).check(1)
