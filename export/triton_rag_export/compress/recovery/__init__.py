"""Steps that take something away from a model and let it recover: pruning, low rank, quantization.

    settings = PruneGeneratorSettings(heads=0.5, neurons=0.5, recovery=DistilGeneratorSettings(alpha=0.3))
    outcome = prune_generator(model, smaller, settings, data=texts, workplace=folder)

Each reads a folder as Hugging Face lays it out and writes another one. What they do is in `pruning`,
`low_rank` and `quantization`; here it meets the data and the training of generators and encoders.
"""

from triton_rag_export.compress.recovery.encoder import (
    LowRankEncoderSettings,
    PruneEncoderSettings,
    QuantizeEncoderSettings,
    factorize_encoder,
    prune_encoder,
    quantize_encoder,
)
from triton_rag_export.compress.recovery.generator import (
    LowRankGeneratorSettings,
    PruneGeneratorSettings,
    QuantizeGeneratorSettings,
    factorize_generator,
    prune_generator,
    quantize_generator,
)

__all__ = [
    "LowRankEncoderSettings",
    "LowRankGeneratorSettings",
    "PruneEncoderSettings",
    "PruneGeneratorSettings",
    "QuantizeEncoderSettings",
    "QuantizeGeneratorSettings",
    "factorize_encoder",
    "factorize_generator",
    "prune_encoder",
    "prune_generator",
    "quantize_encoder",
    "quantize_generator",
]
