"""Graphs for a GPU give what transformers gives: on the CPU provider, and on a GPU where there is one."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch
from export.graph import tiny_causal_models as causal
from export.graph import tiny_encoder_decoder_models as encoder_decoder
from export.graph.test_encoder_decoder_graphs import LENGTHS
from generation import SlotRows
from generation.causal import CausalAdapter
from generation.encoder_decoder import EncoderDecoderAdapter
from generator_devices import NEEDS_CUDA, PROVIDERS
from numpy.testing import assert_allclose
from transformers import PreTrainedModel
from triton_rag_export.graph.causal import CausalExport, write_causal
from triton_rag_export.graph.encoder_decoder import write_encoder_decoder
from triton_rag_export.graph.encoder_decoder_quality import (
    SourceAndTarget,
    served_pair_logits,
    torch_pair_logits,
)
from triton_rag_export.graph.generator_quality import compare_generators, served_logits, torch_logits

PROMPTS = [1, 3, 8, 17, 21, 40]
ANSWER_TOKENS = 12


@pytest.fixture(params=PROVIDERS)
def provider(request) -> str:
    return request.param


@pytest.fixture
def causal_adapter(provider, tmp_path) -> Callable[..., CausalAdapter]:
    def load(model: PreTrainedModel, precision: str = "fp32", slots: int = 3) -> CausalAdapter:
        export = CausalExport(precision, causal.CONTEXT_TOKENS, cache=precision, device="cuda")
        write_causal(causal.described(model), export, frozenset({2}), tmp_path)
        capacity = causal.CONTEXT_TOKENS
        return CausalAdapter.load(tmp_path, slots=slots, capacity=capacity, threads=1, device=provider)

    return load


@pytest.fixture
def pair_adapter(provider, tmp_path) -> Callable[..., EncoderDecoderAdapter]:
    def load(model: PreTrainedModel, precision: str = "fp32", **sizes: Any) -> EncoderDecoderAdapter:
        described = encoder_decoder.described(model)
        write_encoder_decoder(described, precision, frozenset({2}), tmp_path, precision, "cuda")
        return EncoderDecoderAdapter.load(tmp_path, **(encoder_decoder.SIZES | sizes), device=provider)

    return load


@pytest.mark.parametrize("variant", causal.VARIANTS)
def test_a_causal_graph_computes_what_transformers_computes(variant, causal_adapter):
    model = causal.VARIANTS[variant]()
    token_ids = causal.random_tokens(30)

    adapter = causal_adapter(model)
    first = adapter.step([SlotRows(1, tuple(token_ids[:13]), 0, 13)], logits=True)
    second = adapter.step([SlotRows(1, tuple(token_ids[13:]), 13, 17)], logits=True)

    expected = causal.reference_logits(model, token_ids)
    assert_allclose(first.logits, expected[:13], atol=2e-4)
    assert_allclose(second.logits, expected[13:], atol=2e-4)


@pytest.mark.parametrize("variant", causal.VARIANTS)
def test_causal_answers_equal_transformers_alone_and_all_at_once(variant, causal_adapter):
    model = causal.VARIANTS[variant]()
    prompts = [causal.random_tokens(length, seed=length) for length in PROMPTS]
    expected = [_greedy(model, prompt) for prompt in prompts]

    adapter = causal_adapter(model, slots=len(PROMPTS))

    assert [_answers(adapter, [prompt], chunk=64)[0] for prompt in prompts] == expected
    assert _answers(adapter, prompts, chunk=64) == expected
    assert _answers(adapter, prompts, chunk=5) == expected
    assert len({tuple(answer) for answer in expected}) > 1


@pytest.mark.parametrize("variant", causal.VARIANTS)
def test_halves_change_little_in_a_causal_graph(variant, causal_adapter):
    model = causal.VARIANTS[variant]()
    texts = [causal.random_tokens(50, seed) for seed in range(3)]

    quality = compare_generators(torch_logits(model), served_logits(causal_adapter(model, "fp16")), texts)

    assert quality.kl < 1e-3
    assert quality.top1_agreement > 0.95


@pytest.mark.parametrize("variant", encoder_decoder.VARIANTS)
def test_encoder_decoder_graphs_compute_what_transformers_computes(variant, pair_adapter):
    model = encoder_decoder.VARIANTS[variant]()
    served = served_pair_logits(pair_adapter(model))

    for length in (1, 23, 64):  # shorter and longer than the reach of relative positions
        source = encoder_decoder.random_tokens(length)
        target = encoder_decoder.random_tokens(30, seed=length)
        expected = encoder_decoder.reference_logits(model, source, target)
        given = served(SourceAndTarget(tuple(source), tuple(target)))
        assert_allclose(given, expected, atol=2e-5 * np.abs(expected).max())


@pytest.mark.parametrize("variant", encoder_decoder.VARIANTS)
def test_encoder_decoder_answers_equal_transformers_alone_and_all_at_once(variant, pair_adapter):
    model = encoder_decoder.VARIANTS[variant]()
    adapter = pair_adapter(model, slots=len(LENGTHS))
    sources = [encoder_decoder.random_tokens(length, seed=length) for length in LENGTHS]
    expected = [encoder_decoder.reference_answer(model, source, ANSWER_TOKENS) for source in sources]

    def served(sources: list[list[int]], first_slot: int = 0) -> list[list[int]]:
        return encoder_decoder.served_answers(adapter, sources, ANSWER_TOKENS, first_slot)

    assert [served([source], first_slot=3)[0] for source in sources] == expected
    assert served(sources) == expected


@pytest.mark.parametrize("variant", encoder_decoder.VARIANTS)
def test_halves_change_little_in_encoder_decoder_graphs(variant, pair_adapter):
    model = encoder_decoder.VARIANTS[variant]()
    pairs = [
        SourceAndTarget(
            tuple(encoder_decoder.random_tokens(40, seed)),
            tuple(encoder_decoder.random_tokens(30, seed + 50)),
        )
        for seed in range(3)
    ]

    served = served_pair_logits(pair_adapter(model, "fp16"))
    quality = compare_generators(torch_pair_logits(model), served, pairs)

    assert quality.kl < 1e-3
    assert quality.top1_agreement > 0.95


def test_t5_keeps_its_last_layer_of_a_block_wide(pair_adapter, tmp_path):
    pair_adapter(encoder_decoder.tiny_flan(), "fp16")

    types = _weight_types(tmp_path / "generator.onnx")

    assert types["down"] == {onnx.TensorProto.FLOAT}
    assert types["gate_up"] == types["attention_output"] == types["cross_query"] == {onnx.TensorProto.FLOAT16}


def test_a_tied_head_is_the_embedding(causal_adapter, tmp_path):
    sizes = []
    for is_tied in (True, False):
        causal_adapter(causal.tiny_llama(tie_word_embeddings=is_tied), "fp16")
        sizes.append((tmp_path / "generator.onnx.data").stat().st_size)

    table_bytes = 2 * causal.VOCABULARY * 72
    assert sizes[1] - sizes[0] >= table_bytes


@pytest.mark.gpu
@NEEDS_CUDA
def test_no_node_of_a_graph_falls_back_to_the_cpu(tmp_path):
    for name in ("causal", "pair"):
        (tmp_path / name).mkdir()
    write_causal(
        causal.described(causal.tiny_qwen3()),
        CausalExport("fp16", causal.CONTEXT_TOKENS, cache="fp16", device="cuda"),
        frozenset({2}),
        tmp_path / "causal",
    )
    described = encoder_decoder.described(encoder_decoder.tiny_flan())
    write_encoder_decoder(described, "fp16", frozenset({2}), tmp_path / "pair", "fp16", "cuda")
    options = ort.SessionOptions()
    options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")

    for graph in tmp_path.glob("*/*.onnx"):
        session = ort.InferenceSession(graph, options, providers=["CUDAExecutionProvider"])
        assert session.get_providers()[0] == "CUDAExecutionProvider"


def _weight_types(path: Path) -> dict[str, set[int]]:
    """Types of the weights of a graph's layers, by the layer's name."""
    graph = onnx.load(str(path), load_external_data=False).graph
    types = {tensor.name: tensor.data_type for tensor in graph.initializer}
    found: dict[str, set[int]] = {}
    for node in graph.node:
        if node.op_type == "Gemm":
            found.setdefault(node.name.rsplit("/", 1)[-1], set()).add(types[node.input[1]])
    return found


def _greedy(model: PreTrainedModel, prompt: list[int]) -> list[int]:
    """What transformers answers greedily, whatever ends an answer."""
    with torch.inference_mode():
        ids = model.generate(
            torch.tensor([prompt]),
            attention_mask=torch.ones(1, len(prompt), dtype=torch.long),
            do_sample=False,
            max_new_tokens=ANSWER_TOKENS,
            min_new_tokens=ANSWER_TOKENS,
            eos_token_id=None,
        )
    return ids[0, len(prompt) :].tolist()


def _answers(adapter: CausalAdapter, prompts: list[list[int]], chunk: int) -> list[list[int]]:
    """What the served model answers to prompts that share their steps, each read in chunks."""
    past, answers = [0] * len(prompts), [[] for _ in prompts]
    while any(len(answer) < ANSWER_TOKENS for answer in answers):
        rows = []
        for slot, (prompt, answer) in enumerate(zip(prompts, answers, strict=True)):
            if len(answer) == ANSWER_TOKENS:
                continue
            unread = prompt[past[slot] :][:chunk] or answer[-1:]
            is_last = past[slot] + len(unread) >= len(prompt)
            rows.append(SlotRows(slot, tuple(unread), past[slot], int(is_last)))
        found = iter(adapter.step(rows, logits=False).token_ids.tolist())
        for share in rows:
            past[share.slot] += len(share.token_ids)
            if share.outputs:
                answers[share.slot].append(next(found))
    return answers
