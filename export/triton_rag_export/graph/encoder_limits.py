"""How long the texts of a retriever's encoder may be, and what of that is left for a passage."""

import math
from typing import Any

from triton_rag_export.graph.bert_weights import first_position
from triton_rag_export.graph.encoder_settings import EncoderExport, text_settings
from triton_rag_export.graph.model_source import ModelSource, load_config, load_tokenizer

_UNKNOWN_POSITIONS = 512


def most_tokens(source: ModelSource, config: Any) -> int:
    """As many tokens as the model has positions for and its tokenizer allows.

    Args:
        source: the model.
        config: its transformers configuration.
    """
    positions = getattr(config, "max_position_embeddings", None) or _UNKNOWN_POSITIONS
    limits = [positions - first_position(config), load_tokenizer(source).model_max_length]
    return int(min(limit for limit in limits if limit > 0 and math.isfinite(limit)))


def passage_room(source: ModelSource, max_tokens: int | None, passage_prefix: str | None) -> int:
    """Tokens of a passage and its title that the encoder reads beside special tokens and prefix.

    Args:
        source: the model.
        max_tokens: the recipe's limit; None is the model's own.
        passage_prefix: the recipe's; None is the model's own.

    Raises:
        ModelSourceError: the model cannot be read, or the limit does not fit it.
        UnsupportedModelError: the model pools in a way that is not covered.
    """
    settings = EncoderExport(max_tokens=max_tokens, passage_prefix=passage_prefix)
    text = text_settings(source, settings, most_tokens(source, load_config(source)))
    tokenizer = load_tokenizer(source).backend_tokenizer
    tokenizer.no_truncation()
    tokenizer.no_padding()
    around = tokenizer.num_special_tokens_to_add(is_pair=False)
    prefix = len(tokenizer.encode(text.passage_prefix, add_special_tokens=False))
    return max(0, text.max_tokens - int(around) - prefix)
