"""Loading a retriever's encoder with transformers, and how long its texts may be."""

import math
from typing import Any

from triton_rag_export.errors import ModelSourceError
from triton_rag_export.graph.bert_weights import first_position
from triton_rag_export.graph.model_source import ModelSource, load_tokenizer

_UNKNOWN_POSITIONS = 512


def load_encoder_model(source: ModelSource) -> Any:
    """The encoder as a transformers model, in float32 and ready for inference.

    Raises:
        ModelSourceError: the files cannot be read as a model.
    """
    import torch
    from transformers import AutoModel

    try:
        return AutoModel.from_pretrained(source.folder, dtype=torch.float32).eval()
    except (OSError, ValueError, KeyError, ImportError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ModelSourceError(
            f"model {source.name!r}: transformers cannot read {source.folder} as an encoder ({reason}); "
            "check that the folder is complete and of a supported family"
        ) from error


def most_tokens(source: ModelSource, model: Any) -> int:
    """As many tokens as the model has positions for and its tokenizer allows."""
    positions = getattr(model.config, "max_position_embeddings", None) or _UNKNOWN_POSITIONS
    limits = [positions - first_position(model.config), load_tokenizer(source).model_max_length]
    return int(min(limit for limit in limits if limit > 0 and math.isfinite(limit)))
