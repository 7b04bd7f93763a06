"""SmoothQuant for an encoder-decoder model (Xiao et al., 2023, https://arxiv.org/abs/2211.10438).

The factors go where they cost nothing, as in `smoothing`: into the normalization that a linear layer reads
from, if the residual stream does not read it too; from the attention's output into its values; and through a
feed-forward block whose width is multiplied by a gate, or opened by a ReLU, which lets factors pass. BART
normalizes behind its blocks and opens with GELU: of its sites only the attention's values are left.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from triton_rag_export.graph.encoder_decoder_model import (
    Attention,
    EncoderDecoderModel,
    FeedForward,
    Normalization,
    TransformerLayer,
)
from triton_rag_export.graph.encoder_decoder_quality import SourceAndTarget
from triton_rag_export.graph.factors import Linear, reading_matrix
from triton_rag_export.graph.linear import Floats, LinearWeights, smoothing_factors
from triton_rag_export.graph.smoothing import ALPHA, RangeGatherer, divided


@dataclass(frozen=True, slots=True)
class LayerSites:
    """The torch modules of one layer whose inputs are measured.

    Attributes:
        attention_input: reads what query, key and value read.
        attended: reads what attention gives.
        cross_input: reads what the query of the attention over the source reads; None in the encoder.
        cross_attended: reads what that attention gives; None with it.
        feed_forward_input: reads what the feed-forward block reads.
        opened: reads what is between its halves.
    """

    attention_input: Any
    attended: Any
    cross_input: Any
    cross_attended: Any
    feed_forward_input: Any
    opened: Any

    def modules(self) -> list[Any]:
        """All that are there."""
        return [module for name in self.__slots__ if (module := getattr(self, name)) is not None]


@dataclass(frozen=True, slots=True)
class ModelSites:
    """The torch modules of a model whose inputs are measured.

    Attributes:
        encoder: of each layer.
        decoder: of each layer.
        encoded: reads what the encoder gives.
        head: reads what the decoder gives.
    """

    encoder: tuple[LayerSites, ...]
    decoder: tuple[LayerSites, ...]
    encoded: Any
    head: Any


def measure_site_ranges(model: Any, sites: ModelSites, pairs: Iterable[SourceAndTarget]) -> RangeGatherer:
    """Run sources and targets through a transformers model and keep each channel's largest value.

    Args:
        model: the model, in float32.
        sites: of the model.
        pairs: texts to calibrate with, at least one.
    """
    import torch

    ranges = RangeGatherer()
    modules = [module for layer in (*sites.encoder, *sites.decoder) for module in layer.modules()]
    hooks = [module.register_forward_pre_hook(ranges) for module in [*modules, sites.encoded, sites.head]]
    try:
        with torch.inference_mode():
            for call in pair_calls(pairs):
                model(**call, use_cache=False)
    finally:
        for hook in hooks:
            hook.remove()
    return ranges


def pair_calls(pairs: Iterable[SourceAndTarget]) -> Iterator[dict[str, Any]]:
    """What an encoder-decoder model is called with for each of some texts."""
    import torch

    for pair in pairs:
        source, target = torch.tensor([pair.source]), torch.tensor([pair.target])
        yield {"input_ids": source, "decoder_input_ids": target}


def smooth_encoder_decoder(
    model: EncoderDecoderModel, sites: ModelSites, ranges: RangeGatherer, alpha: float = ALPHA
) -> EncoderDecoderModel:
    """The same model with smoother activations; a smoothed head is its own matrix afterwards.

    Args:
        model: the model.
        sites: of the transformers model it came from.
        ranges: what calibration gave there.
        alpha: 0 leaves the activations as they are, 1 makes all their channels equally large.
    """
    smoother = _Smoother(ranges, alpha, model.norm_first)
    encoder, decoder = model.encoder, model.decoder
    encoder_layers = [smoother.layer(*each) for each in zip(encoder.layers, sites.encoder, strict=True)]
    decoder_layers = [smoother.layer(*each) for each in zip(decoder.layers, sites.decoder, strict=True)]
    encoder_norm, decoder_norm, head = encoder.final_norm, decoder.final_norm, model.head
    if encoder_norm is not None:
        readers = [each for layer in decoder_layers for each in _source_readers(layer)]
        factors = smoother.factors(sites.encoded, *readers)
        encoder_norm = _divided_norm(encoder_norm, factors)
        decoder_layers = [_reading_smoothed_source(layer, factors) for layer in decoder_layers]
    if decoder_norm is not None:
        head = LinearWeights(decoder.embedding.T) if head is None else head
        factors = smoother.factors(sites.head, head)
        decoder_norm, head = _divided_norm(decoder_norm, factors), head.smoothed(factors)
    return replace(
        model,
        encoder=replace(encoder, layers=tuple(encoder_layers), final_norm=encoder_norm),
        decoder=replace(decoder, layers=tuple(decoder_layers), final_norm=decoder_norm),
        head=head,
    )


@dataclass(frozen=True, slots=True)
class _Smoother:
    """Smooths a layer at a time; what a normalization cannot take stays as it is."""

    ranges: RangeGatherer
    alpha: float
    norm_first: bool

    def factors(self, site: Any, *readers: Linear) -> Floats:
        weights = np.concatenate(list(map(reading_matrix, readers)), axis=1)
        return smoothing_factors(self.ranges.range_of(site), weights, self.alpha)

    def layer(self, layer: TransformerLayer, sites: LayerSites) -> TransformerLayer:
        own, own_norm = self._attention(layer.attention, layer.attention_norm, sites)
        cross, cross_norm = layer.cross_attention, layer.cross_attention_norm
        if cross is not None and cross_norm is not None:
            cross, cross_norm = self._cross_attention(cross, cross_norm, sites)
        block, block_norm = self._feed_forward(layer.feed_forward, layer.feed_forward_norm, sites)
        return TransformerLayer(own, own_norm, cross, cross_norm, block, block_norm)

    def _attention(
        self, attention: Attention, norm: Normalization, sites: LayerSites
    ) -> tuple[Attention, Normalization]:
        attention = self._attended(attention, sites.attended)
        if not self.norm_first:
            return attention, norm
        readers = (attention.query, attention.key, attention.value)
        factors = self.factors(sites.attention_input, *readers)
        query, key, value = (each.smoothed(factors) for each in readers)
        return replace(attention, query=query, key=key, value=value), _divided_norm(norm, factors)

    def _cross_attention(
        self, attention: Attention, norm: Normalization, sites: LayerSites
    ) -> tuple[Attention, Normalization]:
        attention = self._attended(attention, sites.cross_attended)
        if not self.norm_first:
            return attention, norm
        factors = self.factors(sites.cross_input, attention.query)
        return replace(attention, query=attention.query.smoothed(factors)), _divided_norm(norm, factors)

    def _attended(self, attention: Attention, site: Any) -> Attention:
        """Values divided: attention mixes rows, not channels, so that its output is divided as well."""
        factors = self.factors(site, attention.output)
        value = divided(attention.value, factors)
        return replace(attention, value=value, output=attention.output.smoothed(factors))

    def _feed_forward(
        self, block: FeedForward, norm: Normalization, sites: LayerSites
    ) -> tuple[FeedForward, Normalization]:
        if block.gate is not None or block.activation == "relu":
            factors = self.factors(sites.opened, block.down)
            block = replace(block, up=divided(block.up, factors), down=block.down.smoothed(factors))
        if not self.norm_first:
            return block, norm
        readers = (block.up,) if block.gate is None else (block.gate, block.up)
        factors = self.factors(sites.feed_forward_input, *readers)
        gate = None if block.gate is None else block.gate.smoothed(factors)
        return replace(block, gate=gate, up=block.up.smoothed(factors)), _divided_norm(norm, factors)


def _source_readers(layer: TransformerLayer) -> list[Linear]:
    cross = layer.cross_attention
    return [] if cross is None else [cross.key, cross.value]


def _reading_smoothed_source(layer: TransformerLayer, factors: Floats) -> TransformerLayer:
    cross = layer.cross_attention
    if cross is None:
        return layer
    smoothed = replace(cross, key=cross.key.smoothed(factors), value=cross.value.smoothed(factors))
    return replace(layer, cross_attention=smoothed)


def _divided_norm(norm: Normalization, factors: Floats) -> Normalization:
    bias = None if norm.bias is None else norm.bias / factors
    return replace(norm, weight=norm.weight / factors, bias=bias)
