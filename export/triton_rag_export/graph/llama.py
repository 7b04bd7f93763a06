"""Read a transformers model of the Llama family into a description that the graph is built from.

Llama, Qwen2 (biases on query, key, value), Qwen3 (normalized queries and keys) and Mistral are one
architecture with parts left out or added; the parts are read from the modules that are there. What the graph
does not compute is refused here, by name, rather than exported wrongly.
"""

from typing import Any

from triton_rag_export.graph.causal_model import CausalModel, DecoderLayer, RotaryPositions
from triton_rag_export.graph.torch_weights import array_of, linear_of, uncovered

FAMILIES = frozenset({"llama", "mistral", "qwen2", "qwen3"})
ACTIVATIONS = frozenset({"silu", "swish"})
# Their frequencies do not depend on the length of the text, which a table of cosines cannot follow.
ROTARY_TYPES = frozenset({"default", "linear", "llama3", "yarn"})


def read_llama(model: Any, context_tokens: int) -> CausalModel:
    """Describe a transformers causal language model of the Llama family.

    Args:
        model: such as `LlamaForCausalLM`, in float32.
        context_tokens: the longest text that will be served; a sliding window at least as wide is no
            restriction.

    Raises:
        UnsupportedModelError: another family, or a setting that the graph does not cover.
    """
    _refuse_uncovered(model.config, context_tokens)
    body = model.model
    embedding = array_of(body.embed_tokens.weight)
    tied = model.lm_head.weight.data_ptr() == body.embed_tokens.weight.data_ptr()
    head_size = int(body.layers[0].self_attn.head_dim)
    rotary = body.rotary_emb
    return CausalModel(
        family=model.config.model_type,
        head_size=head_size,
        norm_epsilon=float(model.config.rms_norm_eps),
        embedding=embedding,
        layers=tuple(_read_layer(layer) for layer in body.layers),
        final_norm=array_of(body.norm.weight),
        head=None if tied else linear_of(model.lm_head),
        rotary=RotaryPositions(array_of(rotary.inv_freq), float(rotary.attention_scaling)),
    )


def _refuse_uncovered(config: Any, context_tokens: int) -> None:
    if config.model_type not in FAMILIES:
        raise uncovered(config, "model_type", config.model_type, _listed(FAMILIES))
    if config.hidden_act not in ACTIVATIONS:
        raise uncovered(config, "hidden_act", config.hidden_act, _listed(ACTIVATIONS))
    rotary_type = config.rope_parameters.get("rope_type", "default")
    if rotary_type not in ROTARY_TYPES:
        raise uncovered(config, "rope_type", rotary_type, _listed(ROTARY_TYPES))
    if config.rope_parameters.get("partial_rotary_factor", 1.0) != 1.0:
        factor = config.rope_parameters["partial_rotary_factor"]
        raise uncovered(config, "partial_rotary_factor", factor, "1.0")
    window = getattr(config, "sliding_window", None) if getattr(config, "use_sliding_window", True) else None
    if window is not None and window < context_tokens:
        allowed = f"none, or one of at least context_tokens ({context_tokens})"
        raise uncovered(config, "sliding_window", window, allowed)


def _read_layer(layer: Any) -> DecoderLayer:
    attention, feed_forward = layer.self_attn, layer.mlp
    query_norm, key_norm = getattr(attention, "q_norm", None), getattr(attention, "k_norm", None)
    return DecoderLayer(
        attention_norm=array_of(layer.input_layernorm.weight),
        query=linear_of(attention.q_proj),
        key=linear_of(attention.k_proj),
        value=linear_of(attention.v_proj),
        query_norm=None if query_norm is None else array_of(query_norm.weight),
        key_norm=None if key_norm is None else array_of(key_norm.weight),
        attention_output=linear_of(attention.o_proj),
        feed_forward_norm=array_of(layer.post_attention_layernorm.weight),
        gate=linear_of(feed_forward.gate_proj),
        up=linear_of(feed_forward.up_proj),
        down=linear_of(feed_forward.down_proj),
    )


def _listed(names: frozenset[str]) -> str:
    return ", ".join(sorted(names))
