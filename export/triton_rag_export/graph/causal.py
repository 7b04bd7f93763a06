"""Export a causal language model: from transformers to the ragged graph that the generator serves.

The steps: load, describe, smooth (INT8) or quantize (INT4), build, write, and compare what was written with
where it came from, through the adapter that serves it.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from generation.causal import CausalAdapter, CausalDescription

from triton_rag_export.errors import BuildError, UnsupportedModelError
from triton_rag_export.graph.activations import causal_layer_channels
from triton_rag_export.graph.cache_scales import CacheScales, measure_cache_scales
from triton_rag_export.graph.causal_graph import build_causal_graph
from triton_rag_export.graph.causal_int4 import quantize_layers
from triton_rag_export.graph.causal_model import CacheKind, CausalModel, GeneratorPrecision, LayerShape
from triton_rag_export.graph.device_parts import (
    check_precision,
    checking_device,
    install_device_parts,
    save_graph,
)
from triton_rag_export.graph.end_tokens import end_token_ids_of
from triton_rag_export.graph.factor_balance import balance_factors
from triton_rag_export.graph.generator_quality import (
    GeneratorQuality,
    check_exact,
    compare_generators,
    served_logits,
    torch_logits,
)
from triton_rag_export.graph.llama import read_llama
from triton_rag_export.graph.model_source import (
    ModelSource,
    load_causal_model,
    load_tokenizer,
)
from triton_rag_export.graph.onnx_builder import Device
from triton_rag_export.graph.quantization_aware import is_quantization_aware
from triton_rag_export.graph.smoothing import measure_ranges, model_calls, smooth

GRAPH_FILE = "generator.onnx"
TOKENIZER_FILE = "tokenizer.json"

SEQUENCE_TOKENS = 512
CALIBRATION_TOKENS = 4096
COMPARED_TOKENS = 2048


@dataclass(frozen=True, slots=True)
class CausalExport:
    """How to export a causal language model.

    Attributes:
        precision: "fp32"; "fp16", weights in half the bytes, computed in FP32 on a CPU; "int8"; "int4",
            weights of 4 bits and a head of 8.
        context_tokens: the longest text, prompt and answer together, that will be served.
        calibration_texts: texts like those to be served; INT8 and INT4 need some.
        held_out_texts: texts to judge the result by; default every fourth of the calibration texts, which is
            then not used to calibrate.
        cache: "fp32"; "fp16", half of the memory; "int8", a quarter, calibrated on the same texts.
        device: what will run it, "cpu" or "cuda", which takes "fp32" and "fp16" alone.
    """

    precision: GeneratorPrecision
    context_tokens: int = 2048
    calibration_texts: tuple[str, ...] = ()
    held_out_texts: tuple[str, ...] = ()
    cache: CacheKind = "fp32"
    device: Device = "cpu"


@dataclass(frozen=True, slots=True)
class CausalReport:
    """What was exported, and how close it is to its origin.

    Attributes:
        family: the model type by transformers' name.
        precision: of the weights.
        cache: what keys and values are kept in.
        layers: the widths of each layer.
        vocabulary_size: how many tokens there are.
        size_bytes: graph and weights on disk.
        kl: mean Kullback-Leibler divergence from transformers in FP32, in nats; None without texts.
        top1_agreement: share of positions with the same most probable token; None without texts.
        compared_tokens: how many positions of held-out texts these are over.
        device: what the graph is for, "cpu" or "cuda".
        checked_on: what it was compared on: a graph for a GPU on the CPU, where there is none.
    """

    family: str
    precision: GeneratorPrecision
    cache: CacheKind
    layers: tuple[LayerShape, ...]
    vocabulary_size: int
    size_bytes: int
    kl: float | None
    top1_agreement: float | None
    compared_tokens: int
    device: Device
    checked_on: Device


def export_causal(source: ModelSource, settings: CausalExport, folder: Path) -> CausalReport:
    """Write `generator.onnx`, its weights, `generator.json` and `tokenizer.json` into a folder.

    Args:
        source: the model.
        settings: how to export it.
        folder: an existing folder.

    Raises:
        ModelSourceError: the model cannot be read.
        UnsupportedModelError: the graph does not cover it, or the context is longer than the model's.
        BuildError: INT8 or INT4 for a GPU or without calibration texts, or an FP32 graph that does not match
            transformers.
    """
    check_precision(settings.device, settings.precision, settings.cache)
    model, tokenizer = load_causal_model(source), load_tokenizer(source)
    calibration, held_out = _token_sequences(tokenizer, settings)
    described = _described(model, settings, calibration)
    end_token_ids = end_token_ids_of(model, tokenizer)
    write_causal(described, settings, end_token_ids, folder)
    if settings.cache == "int8":
        _check_calibration(calibration, "an INT8 cache")
        scales = measure_cache_scales(folder / GRAPH_FILE, calibration)
        write_causal(described, settings, end_token_ids, folder, scales)
    tokenizer.backend_tokenizer.save(str(folder / TOKENIZER_FILE))
    quality = _compare(model, folder, held_out, settings.device) if held_out else None
    if settings.precision == settings.cache == "fp32" and quality is not None:
        check_exact(source.name, quality)
    return _report(settings, described, folder, quality)


def write_causal(
    model: CausalModel,
    settings: CausalExport,
    end_token_ids: frozenset[int],
    folder: Path,
    cache_scales: CacheScales | None = None,
) -> None:
    """Write a described model as it is: `generator.onnx`, its weights, and `generator.json`.

    Args:
        model: the model, smoothed if INT8 wants it, quantized if INT4 does.
        settings: precision and context; the texts are not read.
        end_token_ids: the tokens that end an answer.
        folder: an existing folder.
        cache_scales: for a cache of bytes; without them it keeps floats, for the scales to be measured on.
    """
    floats: CacheKind = "fp32" if settings.cache == "int8" else settings.cache
    cache: CacheKind = floats if cache_scales is None else "int8"
    graph = build_causal_graph(
        model,
        precision=settings.precision,
        positions=settings.context_tokens,
        cache=cache,
        cache_scales=cache_scales,
        device=settings.device,
    )
    save_graph(graph, folder / GRAPH_FILE)
    kv_heads = tuple(shape.kv_heads for shape in model.layer_shapes())
    install_device_parts(folder, {"cache": kv_heads}, model.head_size, cache, settings.device)
    CausalDescription(
        family=model.family,
        precision=settings.precision,
        kv_heads=kv_heads,
        head_size=model.head_size,
        vocabulary_size=model.vocabulary_size,
        end_token_ids=end_token_ids,
        context_tokens=settings.context_tokens,
        cache=cache,
        layer_channels=causal_layer_channels(model.layers),
        device=settings.device,
        most_heads=max(shape.heads for shape in model.layer_shapes()),
    ).save(folder)


def _described(model: Any, settings: CausalExport, calibration: Sequence[Sequence[int]]) -> CausalModel:
    longest = model.config.max_position_embeddings
    if settings.context_tokens > longest:
        raise UnsupportedModelError(
            f"context_tokens is {settings.context_tokens}; allowed: at most what the model was trained for, "
            f"{longest}"
        )
    if settings.precision == "int8" and not is_quantization_aware(model):
        _check_calibration(calibration, "INT8")
        balance_factors(model, model_calls(calibration))
        return smooth(read_llama(model, settings.context_tokens), measure_ranges(model, calibration))
    described = read_llama(model, settings.context_tokens)
    if settings.precision == "int4":
        _check_calibration(calibration, "INT4")
        return quantize_layers(described, model, calibration)
    return described


def _check_calibration(calibration: Sequence[Sequence[int]], wanted_by: str) -> None:
    if not calibration:
        raise BuildError(f"{wanted_by} without calibration_texts; give some texts like those to be served")


def _token_sequences(tokenizer: Any, settings: CausalExport) -> tuple[list[list[int]], list[list[int]]]:
    """Tokens to calibrate with, and tokens to judge by; no text is in both."""
    calibration, held_out = settings.calibration_texts, settings.held_out_texts
    if not held_out:
        calibration, held_out = _every_fourth_apart(calibration)
    return (
        _limited(list(_tokenized(tokenizer, calibration, settings)), CALIBRATION_TOKENS),
        _limited(list(_tokenized(tokenizer, held_out, settings)), COMPARED_TOKENS),
    )


def _every_fourth_apart(texts: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    return tuple(text for index, text in enumerate(texts) if index % 4 != 3), texts[3::4]


def _tokenized(tokenizer: Any, texts: Iterable[str], settings: CausalExport) -> Iterator[list[int]]:
    longest = min(SEQUENCE_TOKENS, settings.context_tokens)
    for text in texts:
        token_ids = tokenizer(text)["input_ids"][:longest]
        if token_ids:
            yield token_ids


def _limited(sequences: Sequence[list[int]], tokens: int) -> list[list[int]]:
    """The sequences, the longest cut to a common length with which all together have at most `tokens`.

    They are from all over the corpus: each has its share, so that no part of it is left out.
    """
    common, left = 0, tokens
    for number, length in enumerate(sorted(map(len, sequences))):
        if (common := min(length, left // (len(sequences) - number))) < length:
            break
        left -= length
    return [sequence[:common] for sequence in sequences if common]


def _compare(model: Any, folder: Path, held_out: Sequence[Sequence[int]], device: Device) -> GeneratorQuality:
    capacity = max(2, *(len(sequence) for sequence in held_out))
    adapter = CausalAdapter.load(folder, slots=1, capacity=capacity, device=checking_device(device))
    return compare_generators(torch_logits(model), served_logits(adapter), held_out)


def _report(
    settings: CausalExport, model: CausalModel, folder: Path, quality: GeneratorQuality | None
) -> CausalReport:
    return CausalReport(
        family=model.family,
        precision=settings.precision,
        cache=settings.cache,
        layers=model.layer_shapes(),
        vocabulary_size=model.vocabulary_size,
        size_bytes=sum(path.stat().st_size for path in folder.glob(f"{GRAPH_FILE}*")),
        kl=None if quality is None else quality.kl,
        top1_agreement=None if quality is None else quality.top1_agreement,
        compared_tokens=0 if quality is None else quality.tokens,
        device=settings.device,
        checked_on=checking_device(settings.device),
    )
