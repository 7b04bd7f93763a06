"""The engine over graphs for a GPU, on the CPU provider or a GPU, does with caches what it always does."""

from collections.abc import Callable
from typing import Any

import pytest
from export.graph.tiny_encoder_decoder_models import END, described, random_tokens, tiny_bart, tiny_flan
from generation import Engine, ServingSettings
from generation.causal import CausalAdapter
from generation.encoder_decoder import EncoderDecoderAdapter
from generator_devices import PROVIDERS
from model_repository.generator.conftest import CAPACITY, random_prompt, run_until_idle
from model_repository.generator.small_llama import small_llama
from model_repository.generator.test_causal_engine import EagerSpeculation
from triton_rag_export.graph.causal import CausalExport, write_causal
from triton_rag_export.graph.encoder_decoder import write_encoder_decoder
from triton_rag_export.graph.llama import read_llama

SLOTS = 4
MODELS = {"t5": tiny_flan, "bart": tiny_bart}


@pytest.fixture(scope="module", params=PROVIDERS)
def provider(request) -> str:
    return request.param


@pytest.fixture(scope="module")
def causal_engine(provider, tokenizer, tmp_path_factory) -> Callable[..., Engine]:
    folder = tmp_path_factory.mktemp("causal")
    model = read_llama(small_llama(tokenizer.get_vocab_size(), CAPACITY), CAPACITY)
    write_causal(model, CausalExport("fp32", CAPACITY, device="cuda"), frozenset({1, 2}), folder)

    def make(**limits: int) -> Engine:
        sizes = {"slots": SLOTS, "capacity": CAPACITY, "threads": 1, "max_rows_a_step": 32}
        adapter = CausalAdapter.load(folder, **sizes, device=provider)
        served = {"slots": SLOTS, "context_tokens": CAPACITY, "max_tokens": 32, "default_max_tokens": 16}
        return Engine(adapter, tokenizer, ServingSettings(**(served | {"prefill_chunk": 16} | limits)))

    return make


def answers(engine: Engine, submit: Any, prompts: list[list[int]], **options: Any) -> list[str]:
    collected = [submit(engine, prompt, **options) for prompt in prompts]
    run_until_idle(engine)
    return [collector.answer().text for collector in collected]


@pytest.mark.parametrize(("chunk", "drafts"), [(1, 1), (7, 4), (40, 8)])
def test_guesses_chunks_and_reuse_change_no_answer(chunk, drafts, causal_engine, submit):
    head = random_prompt(18)
    prompts = [head + random_prompt(length) * 3 for length in (3, 4, 5, 7, 9, 11)]
    plain = causal_engine(max_draft_tokens=0)
    expected = [answers(plain, submit, [prompt], max_tokens=24)[0] for prompt in prompts]

    engine = causal_engine(max_draft_tokens=drafts, prefill_chunk=chunk)
    engine._speculation = engine._scheduler._speculation = EagerSpeculation(drafts)

    assert answers(engine, submit, prompts, max_tokens=24) == expected
    assert engine.counters.drafted_tokens > 0
    assert engine.counters.reused_tokens > 0


@pytest.mark.parametrize("name", MODELS)
def test_beams_find_what_they_find_on_a_cpu(name, provider, tokenizer, submit, tmp_path):
    model = described(MODELS[name]())
    sources = [random_tokens(length, seed=length) for length in (1, 12, 47)]
    found = {}
    for device in ("cpu", "cuda"):
        folder = tmp_path / device
        folder.mkdir()
        write_encoder_decoder(model, "fp32", frozenset({END}), folder, "fp32", device)
        adapter = EncoderDecoderAdapter.load(
            folder,
            slots=SLOTS,
            capacity=18,
            source_capacity=64,
            threads=1,
            device="cpu" if device == "cpu" else provider,
        )
        limits = {"slots": SLOTS, "context_tokens": 64, "max_tokens": 16, "default_max_tokens": 16}
        engine = Engine(adapter, tokenizer, ServingSettings(**limits))
        found[device] = answers(engine, submit, sources, beams=3, max_tokens=12)
        found[device] += answers(engine, submit, sources, max_tokens=12)

    assert found["cuda"] == found["cpu"]
    assert len(set(found["cpu"])) > 1
