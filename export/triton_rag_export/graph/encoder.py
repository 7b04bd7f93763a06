"""Export of a retriever's encoder: from a Hugging Face model to the files that are served.

BERT-like families get the graph built by hand, in FP32, FP16 or INT8. Any other family, and any model whose
hand-built graph does not give torch's vectors, is exported by torch in FP32, and the report says so. Static
INT8 is made from torch's export, whatever the family. INT8 is checked against FP32 with the very code that
serves it.
"""

import hashlib
import logging
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from query_encoding import EncoderSettings, QueryEncoder
from query_encoding.packing import TokenIds
from query_encoding.settings import GRAPH_FILE, Layout
from query_tokenization import QueryTokenizer

from triton_rag_export.errors import UnsupportedModelError
from triton_rag_export.graph.bert_graph import build_bert_graph
from triton_rag_export.graph.bert_weights import BertWeights, bert_weights
from triton_rag_export.graph.encoder_check import SAMPLE_TEXTS, Closeness, closeness_to, closeness_to_torch
from triton_rag_export.graph.encoder_int8 import calibrate, set_aside, smoothed
from triton_rag_export.graph.encoder_limits import most_tokens
from triton_rag_export.graph.encoder_settings import (
    EncoderExport,
    EncoderPrecision,
    TextSettings,
    text_settings,
)
from triton_rag_export.graph.encoder_tokenizer import export_tokenizer
from triton_rag_export.graph.fixed_texts import with_fixed_texts
from triton_rag_export.graph.linear import LinearWeights, Precision
from triton_rag_export.graph.model_source import ModelSource, fingerprint, load_encoder_model
from triton_rag_export.graph.projection import read_projection
from triton_rag_export.graph.quantization_aware import is_quantization_aware
from triton_rag_export.graph.static_int8 import Calibration, quantize_static_int8
from triton_rag_export.graph.torch_export import export_with_torch
from triton_rag_export.kernels import install_kernels, kernel_fingerprint

__all__ = ["EncoderExport", "EncoderReport", "export_encoder"]

LOGGER = logging.getLogger(__name__)

LEAST_COSINE_TO_TORCH = 0.9999
"""A hand-built FP32 graph that is farther from torch than this is not shipped."""

CHECKED_WITH_TORCH = 16
"""So many texts; torch reads them one by one."""

LEAST_INT8_COSINE = 0.998
"""A mean cosine of INT8, or FP16, to FP32 below this is warned of."""

LEAST_STATIC_COSINE = 0.99
"""The same of static INT8, whose scales cannot follow a text."""


@dataclass(frozen=True, slots=True)
class EncoderReport:
    """What was exported, and how good it is.

    Attributes:
        family: transformers' model type.
        built_by: "hand": packed rows; "torch": torch's exporter, one text a call.
        precision: as exported; torch's exporter gives "fp32" unless "int8_static" was asked for.
        calibrated: whether calibration texts were given.
        calibration: how static INT8 chose its ranges; None in another precision.
        pooling: "mean" or "cls".
        normalize: whether vectors have length one.
        max_tokens: where texts are cut.
        dim: length of a vector.
        size_bytes: of the graph with its weights.
        to_torch: cosine of the FP32 graph to the transformers model.
        to_fp32: cosine of this precision to FP32, on texts that calibration did not see; None in FP32.
    """

    family: str
    built_by: Literal["hand", "torch"]
    precision: EncoderPrecision
    calibrated: bool
    calibration: Calibration | None
    pooling: str
    normalize: bool
    max_tokens: int
    dim: int
    size_bytes: int
    to_torch: Closeness
    to_fp32: Closeness | None


@dataclass(frozen=True, slots=True)
class _Export:
    """What the steps share."""

    source: ModelSource
    settings: EncoderExport
    text: TextSettings
    model: Any
    projection: LinearWeights | None
    tokenizer: QueryTokenizer
    calibration: list[TokenIds]
    checked: list[TokenIds]

    @property
    def dim(self) -> int:
        """Length of a vector."""
        if self.projection is None:
            return int(self.model.config.hidden_size)
        return int(self.projection.weight.shape[1])


@dataclass(frozen=True, slots=True)
class _Written:
    """A graph on disk, and what is known of it."""

    built_by: Literal["hand", "torch"]
    precision: EncoderPrecision
    to_torch: Closeness
    to_fp32: Closeness | None = None


def export_encoder(source: ModelSource, settings: EncoderExport, folder: Path) -> EncoderReport:
    """Write `encoder.onnx`, the operators it needs, `encoder.json`, and `tokenizer.json` with its settings.

    Args:
        source: a BERT-like encoder, or another one that torch can export.
        settings: precision, pooling, limits and calibration texts.
        folder: an existing folder.

    Raises:
        ModelSourceError: the model cannot be read, or a limit does not fit it.
        UnsupportedModelError: neither way of exporting covers the model, or static INT8 does not.
        BuildError: the operators cannot be compiled here.
    """
    export = _prepare(source, settings, folder)
    if settings.precision == "int8_static":
        written = _export_static(export, folder)
    else:
        written = _export(export, settings.precision, folder)
    return EncoderReport(
        family=export.model.config.model_type,
        built_by=written.built_by,
        precision=written.precision,
        calibrated=bool(settings.calibration_texts),
        calibration=settings.calibration if written.precision == "int8_static" else None,
        pooling=export.text.pooling,
        normalize=export.text.normalize,
        max_tokens=export.text.max_tokens,
        dim=export.dim,
        size_bytes=sum(path.stat().st_size for path in folder.glob(GRAPH_FILE + "*")),
        to_torch=written.to_torch,
        to_fp32=written.to_fp32,
    )


def _prepare(source: ModelSource, settings: EncoderExport, folder: Path) -> _Export:
    model = load_encoder_model(source)
    text = text_settings(source, settings, most_tokens(source, model.config))
    tokenizer = export_tokenizer(source, settings, text, folder)
    passages = with_fixed_texts(settings.calibration_texts)
    texts = tokenizer.encode_texts([text.passage_prefix + passage for passage in passages])
    calibration, checked = set_aside([ids for ids in texts if len(ids)])
    if not checked:
        checked = [ids for ids in tokenizer.encode_texts(SAMPLE_TEXTS) if len(ids)]
    projection = read_projection(source, int(model.config.hidden_size))
    return _Export(source, settings, text, model, projection, tokenizer, calibration, checked)


def _export(export: _Export, precision: Precision, folder: Path) -> _Written:
    try:
        bert = bert_weights(export.model).up_to(export.text.max_tokens)
        return _export_by_hand(export, bert, precision, folder)
    except UnsupportedModelError as error:
        LOGGER.warning("encoder %s: %s; exported by torch in FP32 instead, slower", export.source.name, error)
        return _export_by_torch(export, folder)


def _export_by_hand(export: _Export, bert: BertWeights, precision: Precision, folder: Path) -> _Written:
    with tempfile.TemporaryDirectory() as scratch_name:
        scratch = Path(scratch_name)
        reference = _write(bert, export, "fp32", scratch)
        to_torch = _to_torch(export, reference)
        if to_torch.least < LEAST_COSINE_TO_TORCH:
            raise UnsupportedModelError(f"the hand-built graph's cosine to torch is {to_torch.least:.6f}")
        if precision == "int8" and export.calibration and not is_quantization_aware(export.model):
            bert = smoothed(bert, calibrate(bert, export.calibration, scratch))
        encoder = _write(bert, export, precision, folder)
        if precision == "fp32":
            return _Written("hand", precision, to_torch)
        to_fp32 = closeness_to(reference, encoder, export.checked)
    _warn_if_far(export, to_fp32, LEAST_INT8_COSINE)
    return _Written("hand", precision, to_torch, to_fp32)


def _export_by_torch(export: _Export, folder: Path) -> _Written:
    export_with_torch(export.source, export.model, export.text, export.projection, folder / GRAPH_FILE)
    encoder = _load_with_settings(export, "fp32", "single", folder)
    to_torch = _to_torch(export, encoder)
    return _Written("torch", "fp32", to_torch)


def _to_torch(export: _Export, encoder: QueryEncoder) -> Closeness:
    texts = export.checked[:CHECKED_WITH_TORCH]
    return closeness_to_torch(export.model, export.text, export.projection, encoder, texts)


def _export_static(export: _Export, folder: Path) -> _Written:
    name, settings = export.source.name, export.settings
    if is_quantization_aware(export.model):
        raise UnsupportedModelError(
            f'model {name!r} was trained for INT8 with a scale a row, which encoder.precision "int8_static" '
            'does not have: export it in "int8", or take the model from before that training'
        )
    if not export.calibration:
        raise UnsupportedModelError(
            f'encoder {name}: encoder.precision "int8_static" with {len(settings.calibration_texts)} '
            "calibration_texts: give a hundred or more like those to be encoded"
        )
    with tempfile.TemporaryDirectory() as scratch_name:
        scratch = Path(scratch_name)
        export_with_torch(export.source, export.model, export.text, export.projection, scratch / GRAPH_FILE)
        reference = _load_with_settings(export, "fp32", "single", scratch)
        to_torch = _to_torch(export, reference)
        quantize_static_int8(
            scratch / GRAPH_FILE, export.calibration, settings.calibration, folder / GRAPH_FILE, scratch
        )
        encoder = _load_with_settings(export, "int8_static", "single", folder)
        to_fp32 = closeness_to(reference, encoder, export.checked)
    _warn_if_far(export, to_fp32, LEAST_STATIC_COSINE)
    return _Written("torch", "int8_static", to_torch, to_fp32)


def _warn_if_far(export: _Export, to_fp32: Closeness, least: float) -> None:
    if to_fp32.mean < least:
        LOGGER.warning(
            "encoder %s: %s has a mean cosine of %.4f to FP32",
            export.source.name,
            export.settings.precision.upper(),
            to_fp32.mean,
        )


def _write(bert: BertWeights, export: _Export, precision: Precision, folder: Path) -> QueryEncoder:
    text = export.text
    built = build_bert_graph(
        bert, text.pooling, precision, normalize=text.normalize, projection=export.projection
    )
    built.graph.save(folder / GRAPH_FILE)
    install_kernels(folder)
    return _load_with_settings(export, precision, "packed", folder)


def _load_with_settings(
    export: _Export, precision: EncoderPrecision, layout: Layout, folder: Path
) -> QueryEncoder:
    """Write `encoder.json` with the fingerprint (design 11) of the graph in the folder, and load both."""
    text = export.text
    EncoderSettings(
        layout=layout,
        pad_id=export.tokenizer.settings.pad_id,
        vocabulary_size=export.model.get_input_embeddings().weight.shape[0],
        max_tokens=text.max_tokens,
        dim=export.dim,
        fingerprint={
            "weights": fingerprint(export.source),
            "graph": _sha256(folder, layout),
            "precision": precision,
            "pooling": text.pooling,
            "normalize": text.normalize,
            "query_prefix": text.query_prefix,
            "passage_prefix": text.passage_prefix,
            "max_tokens": text.max_tokens,
            "dim": export.dim,
        },
    ).write(folder)
    return QueryEncoder.load(folder)


def _sha256(folder: Path, layout: Layout) -> str:
    """Of the graph, and of the operators that it needs."""
    digest = hashlib.sha256(kernel_fingerprint().encode() if layout == "packed" else b"")
    for path in sorted(folder.glob(GRAPH_FILE + "*")):
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()
