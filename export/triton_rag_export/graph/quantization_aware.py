"""What tells an export that a model was trained for INT8, so that it leaves the weights as they are.

Exports even out activations and weights before they quantize (`graph/smoothing.py`,
`graph/factor_balance.py`). After quantization-aware training that would undo what was learned: the weights
are meant for the very grid that they were trained on.
"""

from typing import Any

MARK = "triton_rag_quantization_aware"


def mark_quantization_aware(model: Any) -> None:
    """Note it in the model's configuration, which goes with it into its folder."""
    setattr(model.config, MARK, {"precision": "int8"})


def is_quantization_aware(model: Any) -> bool:
    """Whether the last thing that happened to a model was training for INT8."""
    return getattr(model.config, MARK, None) == {"precision": "int8"}


def forget_quantization_aware(model: Any) -> None:
    """The weights are about to change in another way."""
    if hasattr(model.config, MARK):
        delattr(model.config, MARK)
