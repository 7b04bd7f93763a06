"""The graph of a BERT-like encoder, of layers that need not be alike, gives what NumPy gives in doubles."""

from collections.abc import Sequence
from dataclasses import replace
from math import erf, sqrt
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from onnxruntime.capi.onnxruntime_pybind11_state import InvalidArgument
from query_encoding.packing import pack
from query_encoding.sessions import load_session
from triton_rag_export.graph.bert_graph import build_bert_graph
from triton_rag_export.graph.bert_weights import BertLayer, BertWeights, NormWeights
from triton_rag_export.graph.factors import FactorizedWeights, Linear
from triton_rag_export.graph.linear import Floats, LinearWeights, Precision
from triton_rag_export.graph.text_nodes import Pooling
from triton_rag_export.kernels import install_kernels

Doubles = npt.NDArray[np.float64]

WIDTH, HEAD_SIZE, WORDS, PLACES, EPSILON = 24, 4, 30, 12, 1e-6
LENGTHS = (5, 1, 12, 3)


class Weights:
    """Random weights of any shape, the same in every run."""

    def __init__(self) -> None:
        self._generator = np.random.default_rng(0)

    def table(self, *shape: int) -> Floats:
        return self._generator.normal(size=shape).astype(np.float32)

    def norm(self) -> NormWeights:
        return NormWeights(1 + self.table(WIDTH) / 4, self.table(WIDTH) / 4)

    def plain(self, inputs: int, outputs: int) -> LinearWeights:
        return LinearWeights(self.table(inputs, outputs) / np.float32(sqrt(inputs)), self.table(outputs))

    def linear(self, inputs: int, outputs: int, rank: int | None) -> Linear:
        if rank is None:
            return self.plain(inputs, outputs)
        first = LinearWeights(self.plain(inputs, rank).weight)
        return FactorizedWeights(first, self.plain(rank, outputs))

    def layer(self, heads: int, inner: int, rank: int | None = None) -> BertLayer:
        attended = heads * HEAD_SIZE
        return BertLayer(
            query=self.linear(WIDTH, attended, rank),
            key=self.linear(WIDTH, attended, None),
            value=self.linear(WIDTH, attended, rank),
            attention_output=self.linear(attended, WIDTH, rank),
            attention_norm=self.norm(),
            feed_forward_in=self.linear(WIDTH, inner, rank),
            feed_forward_out=self.linear(inner, WIDTH, rank),
            output_norm=self.norm(),
        )


@pytest.fixture(scope="module")
def uneven() -> BertWeights:
    """Layers of other heads and widths each, one of them of low rank."""
    weights = Weights()
    return BertWeights(
        words=weights.table(WORDS, WIDTH),
        positions=weights.table(PLACES, WIDTH),
        norm=weights.norm(),
        layers=(weights.layer(6, 40), weights.layer(1, 7), weights.layer(3, 130, rank=2)),
        head_size=HEAD_SIZE,
        epsilon=EPSILON,
        activation="gelu",
    )


def apply(layer: Linear, rows: Doubles) -> Doubles:
    if isinstance(layer, FactorizedWeights):
        return apply(layer.second, rows @ layer.first.weight)
    return np.asarray(rows @ layer.weight + (0 if layer.bias is None else layer.bias), dtype=np.float64)


def normalized(rows: Doubles, norm: NormWeights) -> Doubles:
    centred = rows - rows.mean(axis=-1, keepdims=True)
    deviation = np.sqrt((centred**2).mean(axis=-1, keepdims=True) + EPSILON)
    return np.asarray(centred / deviation * norm.scale + norm.bias)


def attended(layer: BertLayer, rows: Doubles) -> Doubles:
    queries, keys, values = (
        apply(part, rows).reshape(len(rows), -1, HEAD_SIZE).transpose(1, 0, 2)
        for part in (layer.query, layer.key, layer.value)
    )
    scores = queries @ keys.transpose(0, 2, 1) / sqrt(HEAD_SIZE)
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    mixed = weights / weights.sum(axis=-1, keepdims=True) @ values
    return np.asarray(mixed.transpose(1, 0, 2).reshape(len(rows), -1))


def encoded(bert: BertWeights, ids: npt.NDArray[np.int32], pooling: Pooling) -> Doubles:
    """One text's vector, not normalized."""
    rows = normalized(bert.words[ids].astype(np.float64) + bert.positions[: len(ids)], bert.norm)
    for layer in bert.layers:
        rows = normalized(rows + apply(layer.attention_output, attended(layer, rows)), layer.attention_norm)
        inner = apply(layer.feed_forward_in, rows)
        active = 0.5 * inner * (1 + np.vectorize(erf)(inner / sqrt(2)))
        rows = normalized(rows + apply(layer.feed_forward_out, active), layer.output_norm)
    return np.asarray(rows.mean(axis=0) if pooling == "mean" else rows[0])


@pytest.mark.parametrize("pooling", ["mean", "cls"])
@pytest.mark.parametrize(
    ("precision", "least_cosine"), [("fp32", 1 - 1e-9), ("fp16", 0.9999), ("int8", 0.99)]
)
def test_layers_of_any_width_and_rank_give_what_numpy_gives(
    precision: Precision, least_cosine: float, pooling: Pooling, uneven: BertWeights, tmp_path: Path
) -> None:
    generator = np.random.default_rng(1)
    texts = [generator.integers(0, WORDS, length).astype(np.int32) for length in LENGTHS]
    build_bert_graph(uneven, pooling, precision, normalize=False).graph.save(tmp_path / "encoder.onnx")
    install_kernels(tmp_path)

    found = load_session(tmp_path / "encoder.onnx", 2).run(None, pack(texts))[0].astype(np.float64)

    wanted = np.stack([encoded(uneven, ids, pooling) for ids in texts])
    lengths = np.linalg.norm(found, axis=1) * np.linalg.norm(wanted, axis=1)
    assert ((found * wanted).sum(axis=1) / lengths).min() >= least_cosine


def vectors(
    bert: BertWeights, precision: Precision, texts: Sequence[npt.NDArray[np.int32]], path: Path
) -> Floats:
    build_bert_graph(bert, "mean", precision, normalize=False).graph.save(path)
    found: Floats = load_session(path, 2).run(None, pack(texts))[0]
    return found


@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
def test_a_graph_for_shorter_texts_keeps_the_positions_they_read_and_their_bits(
    precision: Precision, uneven: BertWeights, tmp_path: Path
) -> None:
    generator = np.random.default_rng(2)
    texts = [generator.integers(0, WORDS, length).astype(np.int32) for length in (7, 2, 5)]
    whole = replace(uneven, layers=uneven.layers[:1], distance_bias=Weights().table(6, 2 * PLACES - 1))
    short = whole.up_to(7)
    install_kernels(tmp_path)

    found = vectors(short, precision, texts, tmp_path / "short.onnx")

    np.testing.assert_array_equal(found, vectors(whole, precision, texts, tmp_path / "whole.onnx"))
    assert short.distance_bias is not None
    assert (short.positions.shape, short.distance_bias.shape) == ((7, WIDTH), (6, 13))
    with pytest.raises(InvalidArgument, match="text 0 has 8 tokens; allowed: 1 to 7"):
        vectors(short, precision, [np.zeros(8, np.int32)], tmp_path / "short.onnx")
