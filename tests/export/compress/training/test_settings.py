"""Values that no training can have."""

import pytest
from triton_rag_export.compress.training import TrainingSettings


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"steps": 0}, "steps is 0; allowed: 1 to 1e"),
        ({"learning_rate": float("nan")}, "learning_rate is nan; allowed: 1e-09 to 1"),
        ({"warmup": 1.5}, "warmup is 1.5; allowed: 0 to 1"),
        ({"seed": True}, "seed is True; allowed: 0 to"),
        ({"clip_norm": "1"}, "clip_norm is '1'; allowed: 0 to"),
        ({"schedule": "step"}, "schedule is 'step'; allowed: cosine, linear, constant"),
        ({"precision": "fp16"}, "precision is 'fp16'; allowed: fp32, bf16"),
        ({"batch_size": 10, "slices": 4}, "slices is 4; allowed: a divisor of batch_size, which is 10"),
    ],
)
def test_a_value_out_of_range_is_named(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TrainingSettings(**changes)  # type: ignore[arg-type]
