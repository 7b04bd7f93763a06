"""How many numbers a model has."""

from triton_rag_export.graph.model_source import (
    ModelSource,
    is_encoder_decoder,
    load_causal_model,
    load_encoder_decoder_model,
    load_encoder_model,
)
from triton_rag_export.graph.projection import read_projection, torch_linear

_NOT_SERVED = "pooler."
"""transformers' BERT has a layer that retrieval does not use, and makes one up where the file has none."""


def count_parameters(source: ModelSource, kind: str) -> tuple[int, int]:
    """The numbers in a model's tensors, each tied tensor once, and how many of them are not 0.

    Args:
        source: the model.
        kind: "encoder" or "generator".

    Raises:
        ModelSourceError: the model cannot be read.
    """
    if kind == "encoder":
        model = load_encoder_model(source)
    elif is_encoder_decoder(source):
        model = load_encoder_decoder_model(source)
    else:
        model = load_causal_model(source)
    counted = [p for name, p in model.named_parameters() if not name.startswith(_NOT_SERVED)]
    projection = read_projection(source, int(model.config.hidden_size)) if kind == "encoder" else None
    counted += [] if projection is None else list(torch_linear(projection).parameters())
    return sum(p.numel() for p in counted), sum(int(p.count_nonzero()) for p in counted)
