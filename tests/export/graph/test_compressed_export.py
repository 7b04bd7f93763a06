"""Compressed models from their folder to the graphs that serve them, and what factors cost there."""

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from export.graph import tiny_causal_models as causal
from export.graph import tiny_encoder_decoder_models as encoder_decoder
from generation import ModelAdapter, SlotRows
from generation.causal import CausalAdapter
from generation.encoder_decoder import EncoderDecoderAdapter
from numpy.testing import assert_array_equal
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from transformers import PreTrainedModel, PreTrainedTokenizerFast
from triton_rag_export.compress import FactorizedLinear, save_compressed
from triton_rag_export.graph.causal import CausalExport, export_causal
from triton_rag_export.graph.causal_model import LayerShape
from triton_rag_export.graph.encoder_decoder import EncoderDecoderExport, export_encoder_decoder
from triton_rag_export.graph.factor_balance import balance_factors
from triton_rag_export.graph.generator_quality import compare_generators, served_logits, torch_logits
from triton_rag_export.graph.model_source import ModelSource, resolve_model
from triton_rag_export.graph.packed_weights import GROUP
from triton_rag_export.graph.smoothing import measure_ranges, model_calls, smooth

TEXTS = tuple(" ".join(f"w{token:03}" for token in causal.random_tokens(30, seed)) for seed in range(8))
CALIBRATION = [causal.random_tokens(40, seed) for seed in range(1, 4)]
LLAMAS = {name: make for name, make in causal.VARIANTS.items() if "compressed" in name}
ENCODER_DECODERS = {name: make for name, make in encoder_decoder.VARIANTS.items() if "compressed" in name}


def saved(model: PreTrainedModel, folder: Path) -> ModelSource:
    save_compressed(model, folder)
    words = Tokenizer(WordLevel({f"w{token:03}": token for token in range(301)}, unk_token="w000"))
    words.pre_tokenizer = Whitespace()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=words, unk_token="w000", eos_token="w002")
    tokenizer.save_pretrained(folder)
    return resolve_model(str(folder))


def served_answers(adapter: ModelAdapter, prompts: Sequence[list[int]], tokens: int) -> list[list[int]]:
    """Greedy answers to prompts that share their steps."""
    unread = {slot: tuple(prompt) for slot, prompt in enumerate(prompts)}
    past = dict.fromkeys(unread, 0)
    answers: dict[int, list[int]] = {slot: [] for slot in unread}
    for _ in range(tokens):
        rows = [SlotRows(slot, ids, past[slot], 1) for slot, ids in unread.items()]
        found = adapter.step(rows, logits=False).token_ids.tolist()
        for slot, token_id in enumerate(found):
            past[slot] += len(unread[slot])
            unread[slot] = (token_id,)
            answers[slot].append(token_id)
    return list(answers.values())


def transformers_answer(model: Any, prompt: list[int], tokens: int) -> list[int]:
    model.generation_config.eos_token_id = None
    with torch.inference_mode():
        return model.generate(torch.tensor([prompt]), do_sample=False, max_new_tokens=tokens)[0].tolist()[
            len(prompt) :
        ]


@pytest.mark.parametrize("name", LLAMAS)
def test_a_saved_llama_answers_as_torch_does_alone_and_among_others(name: str, tmp_path: Path) -> None:
    model = LLAMAS[name]()
    (tmp_path / "served").mkdir()
    source = saved(model, tmp_path / "saved")
    export_causal(source, CausalExport("fp32", causal.CONTEXT_TOKENS, TEXTS), tmp_path / "served")
    adapter = CausalAdapter.load(tmp_path / "served", slots=5, capacity=causal.CONTEXT_TOKENS, threads=1)
    prompts = [causal.random_tokens(length, seed=length) for length in (1, 2, 9, 17, 30)]

    expected = [transformers_answer(model, prompt, 20) for prompt in prompts]

    assert [served_answers(adapter, [prompt], 20)[0] for prompt in prompts] == expected
    assert served_answers(adapter, prompts, 20) == expected


@pytest.mark.parametrize("name", ENCODER_DECODERS)
def test_a_saved_encoder_decoder_answers_as_torch_does(name: str, tmp_path: Path) -> None:
    model = ENCODER_DECODERS[name]()
    (tmp_path / "served").mkdir()
    settings = EncoderDecoderExport("fp32", 60, 14, TEXTS)
    report = export_encoder_decoder(saved(model, tmp_path / "saved"), settings, tmp_path / "served")
    adapter = EncoderDecoderAdapter.load(
        tmp_path / "served", slots=3, capacity=32, source_capacity=60, threads=1
    )
    sources = [causal.random_tokens(length, seed=length) for length in (3, 25, 60)]

    expected = [encoder_decoder.reference_answer(model, source, 20) for source in sources]

    assert encoder_decoder.served_answers(adapter, sources, 20) == expected
    assert report.kl < 1e-8


@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8", "int4"])
def test_every_precision_of_a_compressed_llama_stays_close(precision: Any, tmp_path: Path) -> None:
    source = saved(LLAMAS["llama, compressed"](), tmp_path / "saved")
    (tmp_path / "served").mkdir()

    report = export_causal(source, CausalExport(precision, causal.CONTEXT_TOKENS, TEXTS), tmp_path / "served")

    assert report.layers == (LayerShape(4, 2, 56), LayerShape(2, 1, 47), LayerShape(4, 2, 31))
    assert report.kl < {"fp32": 1e-9, "fp16": 1e-4, "int8": 0.1, "int4": 2.0}[precision]


@pytest.mark.parametrize("name", ENCODER_DECODERS)
def test_int8_of_a_compressed_encoder_decoder_stays_close(name: str, tmp_path: Path) -> None:
    source = saved(ENCODER_DECODERS[name](), tmp_path / "saved")
    (tmp_path / "served").mkdir()

    report = export_encoder_decoder(source, EncoderDecoderExport("int8", 60, 14, TEXTS), tmp_path / "served")

    assert report.top1_agreement > 0.6


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_factors_leave_a_slot_its_bits_among_neighbours(precision: Any, tmp_path: Path) -> None:
    adapter = causal.adapter_of(causal.described(LLAMAS["llama, compressed"]()), tmp_path, precision)
    prompts = [causal.random_tokens(length, seed=length) for length in (1, 13, 30)]

    alone = [adapter.step([SlotRows(0, tuple(prompt), 0, 1)], logits=True).logits for prompt in prompts]
    rows = [SlotRows(slot, tuple(prompt), 0, 1) for slot, prompt in enumerate(prompts)]
    together = adapter.step(rows, logits=True).logits

    assert_array_equal(together, np.concatenate(alone))


def test_a_graph_holds_factors_and_not_their_products(tmp_path: Path) -> None:
    causal.adapter_of(causal.described(LLAMAS["llama, compressed"]()), tmp_path)

    graph = onnx.load(str(tmp_path / "generator.onnx"), load_external_data=False).graph
    shapes = {tuple(tensor.dims) for tensor in graph.initializer}
    factors = {(72, 1), (1, 64), (72, 7), (7, 56), (56, 9), (9, 72), (31, 1), (1, 72)}
    assert {packed_shape(*each) for each in factors} <= shapes
    # Every layer's `down` but the second's is factorized.
    assert {packed_shape(56, 72), packed_shape(31, 72)}.isdisjoint(shapes)
    assert packed_shape(47, 72) in shapes


def packed_shape(inputs: int, outputs: int) -> tuple[int, int, int]:
    """The shape of a weight of floats as the operator reads it."""
    return -(-outputs // GROUP), inputs, GROUP


@pytest.mark.parametrize("name", LLAMAS)
def test_balanced_factors_are_the_same_model_to_the_last_bit(name: str) -> None:
    model = LLAMAS[name]()
    balanced = copy.deepcopy(model)

    balance_factors(balanced, model_calls(CALIBRATION))

    tokens = causal.random_tokens(30)
    assert_array_equal(causal.reference_logits(balanced, tokens), causal.reference_logits(model, tokens))
    first = [module.first.weight for module in balanced.modules() if isinstance(module, FactorizedLinear)]
    unbalanced = [module.first.weight for module in model.modules() if isinstance(module, FactorizedLinear)]
    assert not all(torch.equal(*pair) for pair in zip(first, unbalanced, strict=True))


def test_balance_makes_int8_closer_where_channels_between_factors_are_uneven(tmp_path: Path) -> None:
    model = LLAMAS["llama, compressed"]()
    for module in model.modules():
        if isinstance(module, FactorizedLinear):  # as factors are whose singular values were not shared out
            scale = torch.logspace(3, 0, module.rank)
            module.first.weight.data *= scale[:, None]
            module.second.weight.data /= scale
    held_out = [causal.random_tokens(50, seed) for seed in range(10, 14)]

    def divergence(name: str) -> float:
        (tmp_path / name).mkdir()
        smoothed = smooth(causal.described(model), measure_ranges(model, CALIBRATION))
        adapter = causal.adapter_of(smoothed, tmp_path / name, "int8")
        return compare_generators(torch_logits(model), served_logits(adapter), held_out).kl

    plain = divergence("plain")
    balance_factors(model, model_calls(CALIBRATION))

    assert divergence("balanced") < plain / 2


def test_a_model_without_factors_is_not_run() -> None:
    calls: list[Any] = []
    model = causal.tiny_llama()
    model.register_forward_pre_hook(lambda *_: calls.append(_))

    balance_factors(model, model_calls(CALIBRATION))

    assert not calls
