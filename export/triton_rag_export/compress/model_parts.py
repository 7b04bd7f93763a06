"""Where transformers models of each family keep their layers, heads and feed-forward neurons.

A family's own names stand in one table here; what compression does is the same for all of them. Heads and
neurons are both *units*: some layers write a unit's channels, one layer reads them, and nothing else sees
them. Cutting a unit out is cutting these channels out.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from triton_rag_export.compress.bias_tables import TABLE
from triton_rag_export.compress.factorized_linear import FactorizedLinear
from triton_rag_export.errors import UnsupportedModelError


@dataclass(frozen=True, slots=True)
class Units:
    """The heads of one attention, or the neurons of one feed-forward block; by names of the model's modules.

    Where several query heads share a key and value head, they are one unit: cutting a part of them would
    leave groups of different sizes, which no attention computes.

    Attributes:
        layer: name of the layer that they are in, such as `encoder.layer.3`.
        writers: the linear layers that write their channels, each with its channels a unit.
        reader: the linear layer that reads them.
        reader_channels: channels a unit that it reads.
        count: how many units there are.
        table: T5's table of relative position biases, with a column a unit; or None.
    """

    layer: str
    writers: tuple[tuple[str, int], ...]
    reader: str
    reader_channels: int
    count: int
    table: str | None = None


@dataclass(frozen=True, slots=True)
class _Attention:
    """Names below a layer."""

    query: str
    key: str
    value: str
    output: str

    @classmethod
    def below(cls, module: str, query: str, key: str, value: str, output: str) -> "_Attention":
        return cls(f"{module}.{query}", f"{module}.{key}", f"{module}.{value}", f"{module}.{output}")


@dataclass(frozen=True, slots=True)
class _FeedForward:
    writers: tuple[str, ...]
    reader: str


@dataclass(frozen=True, slots=True)
class _Family:
    """Names of a family; what a layer lacks is passed over. `neurons` and `counts` are configuration keys."""

    stacks: dict[str, str]
    attentions: tuple[_Attention, ...]
    feed_forwards: tuple[_FeedForward, ...]
    neurons: dict[str, str]
    counts: dict[str, tuple[str, ...]] = field(default_factory=dict)
    all_layers_share_heads: bool = False


_BERT = _Family(
    stacks={"encoder": "encoder.layer"},
    attentions=(
        _Attention(
            "attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense"
        ),
    ),
    feed_forwards=(_FeedForward(("intermediate.dense",), "output.dense"),),
    neurons={"encoder": "intermediate_size"},
    counts={"encoder": ("num_hidden_layers",)},
)
_DISTILBERT = _Family(
    stacks={"encoder": "transformer.layer"},
    attentions=(_Attention.below("attention", "q_lin", "k_lin", "v_lin", "out_lin"),),
    feed_forwards=(_FeedForward(("ffn.lin1",), "ffn.lin2"),),
    neurons={"encoder": "hidden_dim"},
    counts={"encoder": ("n_layers",)},
)
_MPNET = _Family(
    stacks={"encoder": "encoder.layer"},
    attentions=(_Attention.below("attention.attn", "q", "k", "v", "o"),),
    feed_forwards=(_FeedForward(("intermediate.dense",), "output.dense"),),
    neurons={"encoder": "intermediate_size"},
    counts={"encoder": ("num_hidden_layers",)},
    all_layers_share_heads=True,
)
_LLAMA = _Family(
    stacks={"decoder": "model.layers"},
    attentions=(_Attention.below("self_attn", "q_proj", "k_proj", "v_proj", "o_proj"),),
    feed_forwards=(_FeedForward(("mlp.gate_proj", "mlp.up_proj"), "mlp.down_proj"),),
    neurons={"decoder": "intermediate_size"},
    counts={"decoder": ("num_hidden_layers",)},
)
_T5 = _Family(
    stacks={"encoder": "encoder.block", "decoder": "decoder.block"},
    attentions=(
        _Attention.below("layer.0.SelfAttention", "q", "k", "v", "o"),
        _Attention.below("layer.1.EncDecAttention", "q", "k", "v", "o"),
    ),
    feed_forwards=tuple(
        _FeedForward(tuple(f"layer.{place}.DenseReluDense.{name}" for name in names), f"{block}.wo")
        for place in (1, 2)
        for block in (f"layer.{place}.DenseReluDense",)
        for names in (("wi",), ("wi_0", "wi_1"))
    ),
    neurons={"encoder": "d_ff", "decoder": "d_ff"},
    counts={"encoder": ("num_layers",), "decoder": ("num_decoder_layers",)},
)
_BART = _Family(
    stacks={"encoder": "model.encoder.layers", "decoder": "model.decoder.layers"},
    attentions=(
        _Attention.below("self_attn", "q_proj", "k_proj", "v_proj", "out_proj"),
        _Attention.below("encoder_attn", "q_proj", "k_proj", "v_proj", "out_proj"),
    ),
    feed_forwards=(_FeedForward(("fc1",), "fc2"),),
    neurons={"encoder": "encoder_ffn_dim", "decoder": "decoder_ffn_dim"},
    counts={"encoder": ("encoder_layers", "num_hidden_layers"), "decoder": ("decoder_layers",)},
)
_FAMILIES: dict[str, _Family] = {
    **dict.fromkeys(("bert", "camembert", "electra", "roberta", "xlm-roberta"), _BERT),
    "distilbert": _DISTILBERT,
    "mpnet": _MPNET,
    **dict.fromkeys(("llama", "mistral", "qwen2", "qwen3"), _LLAMA),
    **dict.fromkeys(("t5", "mt5"), _T5),
    **dict.fromkeys(("bart", "mbart"), _BART),
}


def stacks_of(model: Any) -> dict[str, str]:
    """The stacks of a model, "encoder", "decoder" or both, with the names of their lists of layers.

    Raises:
        UnsupportedModelError: a family that compression does not cover.
    """
    return dict(_family(model).stacks)


def counts_of(model: Any, stack: str) -> tuple[str, ...]:
    """The names under which a model's configuration counts the layers of a stack."""
    return _family(model).counts[stack]


def neurons_key(model: Any, stack: str) -> str:
    """The configuration's key for the width of a stack's feed-forward blocks."""
    return _family(model).neurons[stack]


def layer_names(model: Any, stack: str) -> list[str]:
    """The names of a stack's layers, in their order."""
    layers = _family(model).stacks[stack]
    return [f"{layers}.{index}" for index in range(len(model.get_submodule(layers)))]


def layer_linears(model: Any) -> list[str]:
    """The names of all linear layers inside the stacks, factorized ones as one; no head, no embedding."""
    return [
        name
        for layer in _all_layers(model)
        for name, module in _named_below(model, layer)
        if isinstance(module, FactorizedLinear)
        or (isinstance(module, nn.Linear) and not _is_factor(model, name))
    ]


def plain_linears(model: Any) -> list[str]:
    """The names of all matrices in the layers of a model; a factorized layer has two."""
    names: list[str] = []
    for name in layer_linears(model):
        module = model.get_submodule(name)
        names += [name] if reading_linear(module) is module else [f"{name}.first", f"{name}.second"]
    return names


def head_units(model: Any) -> list[Units]:
    """The heads of every attention.

    Raises:
        UnsupportedModelError: a family that compression does not cover, or whose layers share what each head
            adds to its scores and so have to keep the same heads.
    """
    family = _family(model)
    if family.all_layers_share_heads:
        raise UnsupportedModelError(
            f"heads of {model.config.model_type} models: all layers share their position biases, so that "
            "none can lose heads alone; prune neurons or layers"
        )
    return [
        _heads(model, layer, attention)
        for layer in _all_layers(model)
        for attention in family.attentions
        if _has(model, f"{layer}.{attention.query}")
    ]


def neuron_units(model: Any) -> list[Units]:
    """The neurons of every feed-forward block.

    Raises:
        UnsupportedModelError: a family that compression does not cover.
    """
    return [
        Units(
            layer=layer,
            writers=tuple((f"{layer}.{writer}", 1) for writer in block.writers),
            reader=f"{layer}.{block.reader}",
            reader_channels=1,
            count=outputs_of(model.get_submodule(f"{layer}.{block.writers[0]}")),
        )
        for layer in _all_layers(model)
        for block in _family(model).feed_forwards
        if all(_has(model, f"{layer}.{writer}") for writer in block.writers)
    ]


def outputs_of(linear: Any) -> int:
    """How many channels a linear layer gives, of one matrix or of two."""
    return int(linear.weight.shape[0])


def reading_linear(linear: nn.Module) -> nn.Linear:
    """The matrix of a layer, of one or of two, that meets its inputs."""
    found = linear.first if isinstance(linear, FactorizedLinear) else linear
    assert isinstance(found, nn.Linear)
    return found


def writing_linear(linear: nn.Module) -> nn.Linear:
    """The matrix of a layer, of one or of two, that gives its outputs."""
    found = linear.second if isinstance(linear, FactorizedLinear) else linear
    assert isinstance(found, nn.Linear)
    return found


def _heads(model: Any, layer: str, names: _Attention) -> Units:
    attention = model.get_submodule(f"{layer}.{names.query}".rpartition(".")[0])
    size = _head_size(attention)
    queries, keys = (outputs_of(model.get_submodule(f"{layer}.{name}")) for name in (names.query, names.key))
    count = keys // size
    table = f"{layer}.{names.query}".rpartition(".")[0] + f".{TABLE}"
    return Units(
        layer=layer,
        writers=(
            (f"{layer}.{names.query}", queries // count),
            (f"{layer}.{names.key}", size),
            (f"{layer}.{names.value}", size),
        ),
        reader=f"{layer}.{names.output}",
        reader_channels=queries // count,
        count=count,
        table=table if _has(model, table) else None,
    )


def _head_size(attention: Any) -> int:
    for name in ("attention_head_size", "key_value_proj_dim", "head_dim"):
        if hasattr(attention, name):
            return int(getattr(attention, name))
    raise UnsupportedModelError(f"{type(attention).__name__} does not say how large its heads are")


def _family(model: Any) -> _Family:
    name = model.config.model_type
    if name not in _FAMILIES:
        raise UnsupportedModelError(f"family {name!r}: compression covers {', '.join(sorted(_FAMILIES))}")
    return _FAMILIES[name]


def _all_layers(model: Any) -> list[str]:
    return [name for stack in _family(model).stacks for name in layer_names(model, stack)]


def _named_below(model: Any, layer: str) -> Iterator[tuple[str, nn.Module]]:
    for name, module in model.get_submodule(layer).named_modules():
        yield f"{layer}.{name}", module


def _is_factor(model: Any, name: str) -> bool:
    return isinstance(model.get_submodule(name.rpartition(".")[0]), FactorizedLinear)


def _has(model: Any, name: str) -> bool:
    try:
        model.get_submodule(name)
    except AttributeError:
        return False
    return True
