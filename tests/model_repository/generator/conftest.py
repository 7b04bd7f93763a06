"""A tiny random Llama behind a real adapter, and an engine that tests drive step by step."""

import time
from collections.abc import Callable

import numpy as np
import pytest
import torch
from generation import AnswerCollector, Engine, GenerationOptions, ServingSettings
from model_repository.generator.tiny_tokenizers import byte_level
from model_repository.generator.torch_adapter import TorchAdapter
from tokenizers import Tokenizer
from transformers import LlamaConfig, LlamaForCausalLM

SLOTS = 8
CAPACITY = 96


@pytest.fixture(scope="session")
def tokenizer() -> Tokenizer:
    return byte_level()


@pytest.fixture(scope="session")
def llama(tokenizer: Tokenizer) -> LlamaForCausalLM:
    torch.manual_seed(7)
    config = LlamaConfig(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=CAPACITY,
        initializer_range=0.4,
        bos_token_id=None,
        eos_token_id=None,
        pad_token_id=0,
    )
    return LlamaForCausalLM(config).eval()


@pytest.fixture
def adapter(llama: LlamaForCausalLM) -> TorchAdapter:
    return TorchAdapter(llama, SLOTS, CAPACITY, frozenset())


@pytest.fixture
def make_engine(adapter: TorchAdapter, tokenizer: Tokenizer) -> Callable[..., Engine]:
    def make(clock: Callable[[], float] = time.monotonic, **settings: int) -> Engine:
        limits = {"max_tokens": 64, "default_max_tokens": 16, "prefill_chunk": 16, "max_queue": 8} | settings
        adapter.slots = limits.pop("slots", SLOTS)
        served = ServingSettings(slots=adapter.slots, context_tokens=CAPACITY, **limits)
        return Engine(adapter, tokenizer, served, clock)

    return make


@pytest.fixture
def engine(make_engine: Callable[..., Engine]) -> Engine:
    return make_engine()


@pytest.fixture
def submit() -> Callable[..., AnswerCollector]:
    """Submit a random prompt of some length, or the ids given."""

    def submit(engine: Engine, prompt: int | list[int], **options: object) -> AnswerCollector:
        ids = random_prompt(prompt) if isinstance(prompt, int) else prompt
        collector = AnswerCollector()
        engine.submit(ids, GenerationOptions(**({"max_tokens": 12} | options)), collector)
        return collector

    return submit


def random_prompt(length: int) -> list[int]:
    """A prompt that depends on its length alone, without special tokens."""
    return np.random.default_rng(length).integers(3, 380, length).tolist()


def run_until_idle(engine: Engine) -> int:
    """Do steps until nothing runs; how many there were."""
    steps = 0
    while engine.run_step():
        steps += 1
    return steps
