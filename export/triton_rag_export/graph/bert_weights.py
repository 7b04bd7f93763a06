"""The weights of BERT-like encoders, by the same names whatever their family calls them.

Covered: BERT, RoBERTa, XLM-RoBERTa, CamemBERT, ELECTRA, DistilBERT, and MPNet with its relative attention
bias. They share one architecture (Devlin et al., 2019, https://arxiv.org/abs/1810.04805): learned positions,
attention and feed-forward blocks with the norm behind the residual. What differs between families is names,
where positions start, and whether there are segments.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from triton_rag_export.errors import UnsupportedModelError
from triton_rag_export.graph.factors import FactorizedWeights, Linear
from triton_rag_export.graph.linear import Floats, LinearWeights

Activation = Literal["gelu", "gelu_tanh", "relu"]

ACTIVATIONS: dict[str, Activation] = {
    "gelu": "gelu",
    "gelu_new": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
    "relu": "relu",
}


@dataclass(frozen=True, slots=True)
class NormWeights:
    """`LayerNorm`: `scale` and `bias`, each `(width,)`."""

    scale: Floats
    bias: Floats


@dataclass(frozen=True, slots=True)
class BertLayer:
    """One block: attention, then feed-forward, each followed by residual and norm; of any widths.

    Attributes:
        attention_factors: (width,) what rows are multiplied with before query, key and value, whose weights
            take it back; None: as they are.
        feed_forward_factors: the same before the feed-forward layers.
    """

    query: Linear
    key: Linear
    value: Linear
    attention_output: Linear
    attention_norm: NormWeights
    feed_forward_in: Linear
    feed_forward_out: Linear
    output_norm: NormWeights
    attention_factors: Floats | None = None
    feed_forward_factors: Floats | None = None


@dataclass(frozen=True, slots=True)
class BertWeights:
    """A whole encoder.

    Attributes:
        words: `(vocabulary, width)`.
        positions: `(max positions, width)`, from a text's first token on, the first segment's vector added.
        norm: of the embeddings.
        layers: the blocks.
        head_size: channels of an attention head; a layer has as many heads as its query is wide.
        epsilon: of every norm.
        activation: between the two feed-forward layers.
        distance_bias: `(heads, distances)` added to attention scores by the distance from query to key, the
            middle column being distance 0; or None.
    """

    words: Floats
    positions: Floats
    norm: NormWeights
    layers: tuple[BertLayer, ...]
    head_size: int
    epsilon: float
    activation: Activation
    distance_bias: Floats | None = None

    def up_to(self, max_tokens: int) -> "BertWeights":
        """The same encoder for texts of at most so many tokens, without what longer ones would read.

        Args:
            max_tokens: from 1 to as many as there are positions.
        """
        bias = self.distance_bias
        if bias is not None:
            unread = len(self.positions) - max_tokens  # distances at either end
            bias = np.ascontiguousarray(bias[:, unread : bias.shape[1] - unread])
        return replace(self, positions=self.positions[:max_tokens], distance_bias=bias)


@dataclass(frozen=True, slots=True)
class _Names:
    """What a family calls its parts; `{}` is the layer's number."""

    layer: str
    query: str
    key: str
    value: str
    attention_output: str
    attention_norm: str
    feed_forward_in: str
    feed_forward_out: str
    output_norm: str


_BERT = _Names(
    layer="encoder.layer.{}.",
    query="attention.self.query",
    key="attention.self.key",
    value="attention.self.value",
    attention_output="attention.output.dense",
    attention_norm="attention.output.LayerNorm",
    feed_forward_in="intermediate.dense",
    feed_forward_out="output.dense",
    output_norm="output.LayerNorm",
)
_DISTILBERT = _Names(
    layer="transformer.layer.{}.",
    query="attention.q_lin",
    key="attention.k_lin",
    value="attention.v_lin",
    attention_output="attention.out_lin",
    attention_norm="sa_layer_norm",
    feed_forward_in="ffn.lin1",
    feed_forward_out="ffn.lin2",
    output_norm="output_layer_norm",
)
_MPNET = _Names(
    layer="encoder.layer.{}.",
    query="attention.attn.q",
    key="attention.attn.k",
    value="attention.attn.v",
    attention_output="attention.attn.o",
    attention_norm="attention.LayerNorm",
    feed_forward_in="intermediate.dense",
    feed_forward_out="output.dense",
    output_norm="output.LayerNorm",
)
_FAMILIES: dict[str, _Names] = {
    "bert": _BERT,
    "electra": _BERT,
    "roberta": _BERT,
    "xlm-roberta": _BERT,
    "camembert": _BERT,
    "distilbert": _DISTILBERT,
    "mpnet": _MPNET,
}
_PADDED_POSITIONS = frozenset({"roberta", "xlm-roberta", "camembert", "mpnet"})
"""These count positions from behind the padding token's id."""


def bert_weights(model: Any) -> BertWeights:
    """Take the weights out of a transformers model.

    Args:
        model: what `AutoModel` loaded, in float32.

    Raises:
        UnsupportedModelError: its family or a setting of it is not covered; says which.
    """
    config = model.config
    family = config.model_type
    names = _FAMILIES.get(family)
    if names is None:
        raise UnsupportedModelError(
            f"family {family!r}: the hand-built graph covers {', '.join(sorted(_FAMILIES))}"
        )
    state = {name: tensor.detach().numpy() for name, tensor in model.state_dict().items()}
    _refuse_unusual(config, state)
    positions = state["embeddings.position_embeddings.weight"][first_position(config) :]
    segments = state.get("embeddings.token_type_embeddings.weight")
    return BertWeights(
        words=state["embeddings.word_embeddings.weight"],
        positions=positions if segments is None else positions + segments[0],
        norm=_norm(state, "embeddings.LayerNorm"),
        layers=tuple(_layer(state, names, number) for number in range(config.num_hidden_layers)),
        head_size=config.hidden_size // config.num_attention_heads,
        epsilon=getattr(config, "layer_norm_eps", 1e-12),
        activation=ACTIVATIONS[_activation_name(config)],
        distance_bias=_distance_bias(model, len(positions)),
    )


def first_position(config: Any) -> int:
    """The row of the position embeddings that a text's first token takes."""
    return config.pad_token_id + 1 if config.model_type in _PADDED_POSITIONS else 0


def _refuse_unusual(config: Any, state: Mapping[str, npt.NDArray[Any]]) -> None:
    activation = _activation_name(config)
    if activation not in ACTIVATIONS:
        raise UnsupportedModelError(
            f"activation {activation!r}: the hand-built graph covers {', '.join(ACTIVATIONS)}"
        )
    if getattr(config, "position_embedding_type", "absolute") not in ("absolute", None):
        raise UnsupportedModelError(
            f"position_embedding_type {config.position_embedding_type!r}: allowed is 'absolute'"
        )
    if getattr(config, "is_decoder", False):
        raise UnsupportedModelError("is_decoder true: an encoder sees the whole text")
    if any(name.startswith("embeddings_project") for name in state):
        raise UnsupportedModelError("an embedding of another width than the layers is not covered")


def _activation_name(config: Any) -> Any:
    return config.activation if config.model_type == "distilbert" else config.hidden_act


def _layer(state: Mapping[str, Floats], names: _Names, number: int) -> BertLayer:
    prefix = names.layer.format(number)
    return BertLayer(
        query=_linear(state, prefix + names.query),
        key=_linear(state, prefix + names.key),
        value=_linear(state, prefix + names.value),
        attention_output=_linear(state, prefix + names.attention_output),
        attention_norm=_norm(state, prefix + names.attention_norm),
        feed_forward_in=_linear(state, prefix + names.feed_forward_in),
        feed_forward_out=_linear(state, prefix + names.feed_forward_out),
        output_norm=_norm(state, prefix + names.output_norm),
    )


def _linear(state: Mapping[str, Floats], name: str) -> Linear:
    if f"{name}.first.weight" in state:
        second = LinearWeights(_turned(state, f"{name}.second"), state[f"{name}.second.bias"])
        return FactorizedWeights(LinearWeights(_turned(state, f"{name}.first")), second)
    return LinearWeights(_turned(state, name), state[f"{name}.bias"])


def _turned(state: Mapping[str, Floats], name: str) -> Floats:
    """A torch layer's weight, (inputs, outputs)."""
    return np.ascontiguousarray(state[f"{name}.weight"].T)


def _norm(state: Mapping[str, Floats], name: str) -> NormWeights:
    return NormWeights(state[f"{name}.weight"], state[f"{name}.bias"])


def _distance_bias(model: Any, max_positions: int) -> Floats | None:
    """MPNet's bias a bucket of distances, spread out to one column a distance."""
    import torch

    if model.config.model_type != "mpnet":
        return None
    distances = torch.arange(1 - max_positions, max_positions)  # key position - query position
    buckets = model.encoder.relative_position_bucket(distances).numpy()
    table: Floats = model.encoder.relative_attention_bias.weight.detach().numpy()  # (buckets, heads)
    return np.ascontiguousarray(table[buckets].T)
