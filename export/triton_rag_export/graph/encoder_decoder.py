"""Export an encoder-decoder model: from transformers to the two graphs that the generator serves.

The steps: load, describe, let the model answer calibration texts, smooth (INT8), build, write, and compare
what was written with where it came from, through the adapter that serves it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from generation.encoder_decoder import DECODER_FILE, ENCODER_FILE, EncoderDecoderAdapter
from generation.encoder_decoder_description import EncoderDecoderDescription

from triton_rag_export.errors import BuildError, UnsupportedModelError
from triton_rag_export.graph.activations import stack_layer_channels
from triton_rag_export.graph.bart import FAMILIES as BART_FAMILIES
from triton_rag_export.graph.bart import bart_sites, read_bart
from triton_rag_export.graph.causal_model import CacheKind
from triton_rag_export.graph.decoder_step_graph import build_decoder_step_graph
from triton_rag_export.graph.device_parts import (
    check_precision,
    checking_device,
    install_device_parts,
    save_graph,
)
from triton_rag_export.graph.encoder_decoder_model import (
    EncoderDecoderLayerShape,
    EncoderDecoderModel,
    size_of_all_heads,
)
from triton_rag_export.graph.encoder_decoder_quality import (
    SourceAndTarget,
    greedy_targets,
    served_pair_logits,
    torch_pair_logits,
)
from triton_rag_export.graph.encoder_decoder_smoothing import (
    ModelSites,
    measure_site_ranges,
    pair_calls,
    smooth_encoder_decoder,
)
from triton_rag_export.graph.end_tokens import end_token_ids_of
from triton_rag_export.graph.factor_balance import balance_factors
from triton_rag_export.graph.generator_quality import GeneratorQuality, check_exact, compare_generators
from triton_rag_export.graph.linear import Precision
from triton_rag_export.graph.model_source import (
    ModelSource,
    load_encoder_decoder_model,
    load_tokenizer,
)
from triton_rag_export.graph.onnx_builder import Device
from triton_rag_export.graph.quantization_aware import is_quantization_aware
from triton_rag_export.graph.source_encoder_graph import build_source_encoder_graph
from triton_rag_export.graph.t5 import FAMILIES as T5_FAMILIES
from triton_rag_export.graph.t5 import read_t5, t5_sites

TOKENIZER_FILE = "tokenizer.json"
SOURCE_TOKENS = 512
TARGET_TOKENS = 48
CALIBRATION_SOURCES = 12
COMPARED_SOURCES = 8

_READERS: dict[str, tuple[Callable[[Any], EncoderDecoderModel], Callable[[Any], ModelSites]]] = {
    **dict.fromkeys(T5_FAMILIES, (read_t5, t5_sites)),
    **dict.fromkeys(BART_FAMILIES, (read_bart, bart_sites)),
}


@dataclass(frozen=True, slots=True)
class EncoderDecoderExport:
    """How to export an encoder-decoder model.

    Attributes:
        precision: "fp32"; "fp16", weights in half the bytes, computed in FP32 on a CPU; "int8".
        source_tokens: the longest source that will be served.
        target_tokens: the longest answer that will be served.
        calibration_texts: sources like those to be served; INT8 needs some.
        held_out_texts: sources to judge the result by; default every fourth of the calibration texts, which
            is then not used to calibrate.
        cache: what keys and values are kept in, "fp32", or "fp16" in half of the memory.
        device: what will run them, "cpu" or "cuda", which takes "fp32" and "fp16" alone.
    """

    precision: Precision
    source_tokens: int = 1024
    target_tokens: int = 512
    calibration_texts: tuple[str, ...] = ()
    held_out_texts: tuple[str, ...] = ()
    cache: CacheKind = "fp32"
    device: Device = "cpu"


@dataclass(frozen=True, slots=True)
class EncoderDecoderReport:
    """What was exported, and how close it is to its origin.

    Attributes:
        family: the model type by transformers' name.
        precision: of the weights.
        layers: the widths of each layer, the encoder's first.
        vocabulary_size: how many tokens there are.
        size_bytes: graphs and weights on disk.
        kl: mean Kullback-Leibler divergence from transformers in FP32, in nats; None without texts.
        top1_agreement: share of positions with the same most probable token; None without texts.
        compared_tokens: how many positions of transformers' own greedy answers these are over.
        device: what the graphs are for, "cpu" or "cuda".
        checked_on: what they were compared on: graphs for a GPU on the CPU, where there is none.
    """

    family: str
    precision: Precision
    layers: tuple[EncoderDecoderLayerShape, ...]
    vocabulary_size: int
    size_bytes: int
    kl: float | None
    top1_agreement: float | None
    compared_tokens: int
    device: Device
    checked_on: Device


def export_encoder_decoder(
    source: ModelSource, settings: EncoderDecoderExport, folder: Path
) -> EncoderDecoderReport:
    """Write `generator.onnx`, `source_encoder.onnx`, weights, `generator.json` and `tokenizer.json`.

    Args:
        source: the model.
        settings: how to export it.
        folder: an existing folder.

    Raises:
        ModelSourceError: the model cannot be read.
        UnsupportedModelError: the graphs do not cover it, or a text is longer than its positions.
        BuildError: INT8 for a GPU or without calibration texts, or FP32 that does not match transformers.
    """
    check_precision(settings.device, settings.precision, settings.cache)
    model, tokenizer = load_encoder_decoder_model(source), load_tokenizer(source)
    described, _ = _described(model, settings)
    end_token_ids = end_token_ids_of(model, tokenizer)
    calibration, held_out = _answered(model, tokenizer, described, settings, end_token_ids)
    if settings.precision == "int8" and not is_quantization_aware(model):
        if not calibration:
            raise BuildError("INT8 without calibration_texts; give some texts like those to be served")
        balance_factors(model, pair_calls(calibration))
        described, sites = _described(model, settings)
        described = smooth_encoder_decoder(described, sites, measure_site_ranges(model, sites, calibration))
    write_encoder_decoder(
        described, settings.precision, end_token_ids, folder, settings.cache, settings.device
    )
    tokenizer.backend_tokenizer.save(str(folder / TOKENIZER_FILE))
    quality = _compare(model, folder, held_out, settings.device) if held_out else None
    if settings.precision == settings.cache == "fp32" and quality is not None:
        check_exact(source.name, quality)
    return _report(settings, described, folder, quality)


def write_encoder_decoder(
    model: EncoderDecoderModel,
    precision: Precision,
    end_token_ids: frozenset[int],
    folder: Path,
    cache: CacheKind = "fp32",
    device: Device = "cpu",
) -> None:
    """Write a described model as it is: both graphs, their weights, and `generator.json`.

    Args:
        model: the model, smoothed if INT8 wants it.
        precision: of the weights.
        end_token_ids: the tokens that end an answer.
        folder: an existing folder.
        cache: what keys and values are kept in, "fp32" or "fp16".
        device: what will run the graphs.

    Raises:
        UnsupportedModelError: heads of different sizes, or a decoder layer that does not read the source.
    """
    layers = model.decoder.layers
    own = [layer.attention for layer in layers]
    cross = [layer.cross_attention for layer in layers if layer.cross_attention is not None]
    head_size = size_of_all_heads(own, cross)
    heads, cross_heads = (tuple(each.heads for each in attentions) for attentions in (own, cross))
    for name, build in ((ENCODER_FILE, build_source_encoder_graph), (DECODER_FILE, build_decoder_step_graph)):
        save_graph(build(model, precision=precision, cache=cache, device=device), folder / name)
    install_device_parts(folder, {"cache": heads, "cross": cross_heads}, head_size, cache, device)
    EncoderDecoderDescription(
        family=model.family,
        precision=precision,
        heads=heads,
        cross_heads=cross_heads,
        head_size=head_size,
        vocabulary_size=model.vocabulary_size,
        start_token_ids=model.start_token_ids,
        end_token_ids=end_token_ids,
        longest_source=model.longest_source,
        longest_target=model.longest_target,
        layer_channels=stack_layer_channels(model.decoder),
        encoder_layer_channels=stack_layer_channels(model.encoder),
        cache=cache,
        device=device,
    ).save(folder)


def _described(model: Any, settings: EncoderDecoderExport) -> tuple[EncoderDecoderModel, ModelSites]:
    family = model.config.model_type
    if family not in _READERS:
        raise UnsupportedModelError(
            f"the encoder-decoder graphs do not cover {family} models; "
            f"allowed: {', '.join(sorted(_READERS))}; choose another model"
        )
    read, sites = _READERS[family]
    described = read(model)
    needed = settings.target_tokens + len(described.start_token_ids)
    for what, tokens, longest in (
        ("source_tokens", settings.source_tokens, described.longest_source),
        ("target_tokens with its start tokens", needed, described.longest_target),
    ):
        if longest is not None and tokens > longest:
            raise UnsupportedModelError(
                f"{what} is {tokens}; allowed: at most what the model was trained for, {longest}"
            )
    return described, sites(model)


def _answered(
    model: Any,
    tokenizer: Any,
    described: EncoderDecoderModel,
    settings: EncoderDecoderExport,
    end_token_ids: frozenset[int],
) -> tuple[list[SourceAndTarget], list[SourceAndTarget]]:
    """Texts to calibrate with and texts to compare on, each with transformers' greedy answer."""
    texts, held_out = settings.calibration_texts, settings.held_out_texts
    if not held_out:
        held_out = texts[::4]
        texts = tuple(text for number, text in enumerate(texts) if number % 4)

    def answered(texts: Sequence[str]) -> list[SourceAndTarget]:
        longest = min(SOURCE_TOKENS, settings.source_tokens)
        return greedy_targets(
            model,
            [
                ids
                for text in texts
                if (ids := tokenizer(text, truncation=True, max_length=longest)["input_ids"])
            ],
            start_token_ids=described.start_token_ids,
            end_token_ids=end_token_ids,
            tokens=min(TARGET_TOKENS, settings.target_tokens) + len(described.start_token_ids),
        )

    calibration = texts[:CALIBRATION_SOURCES] if settings.precision == "int8" else ()
    return answered(calibration), answered(held_out[:COMPARED_SOURCES])


def _compare(
    model: Any, folder: Path, held_out: Sequence[SourceAndTarget], device: Device
) -> GeneratorQuality:
    least = len(EncoderDecoderDescription.load(folder).start_token_ids) + 1
    adapter = EncoderDecoderAdapter.load(
        folder,
        slots=1,
        capacity=max(least, *(len(pair.target) for pair in held_out)),
        source_capacity=max(len(pair.source) for pair in held_out),
        device=checking_device(device),
    )
    return compare_generators(torch_pair_logits(model), served_pair_logits(adapter), held_out)


def _report(
    settings: EncoderDecoderExport,
    model: EncoderDecoderModel,
    folder: Path,
    quality: GeneratorQuality | None,
) -> EncoderDecoderReport:
    files = [path for name in (ENCODER_FILE, DECODER_FILE) for path in folder.glob(f"{name}*")]
    return EncoderDecoderReport(
        family=model.family,
        precision=settings.precision,
        layers=model.layer_shapes(),
        vocabulary_size=model.vocabulary_size,
        size_bytes=sum(path.stat().st_size for path in files),
        kl=None if quality is None else quality.kl,
        top1_agreement=None if quality is None else quality.top1_agreement,
        compared_tokens=0 if quality is None else quality.tokens,
        device=settings.device,
        checked_on=checking_device(settings.device),
    )
