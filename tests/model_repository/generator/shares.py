"""What slots bring to a step of a causal model, and what such a step says."""

import numpy as np
from generation import SlotRows
from generation.causal import CausalAdapter


def share(slot: int, token_ids: list[int], past: int = 0, outputs: int = 1) -> SlotRows:
    return SlotRows(slot, tuple(token_ids), past, outputs)


def alone(adapter: CausalAdapter, rows: SlotRows, slot: int = 0) -> np.ndarray:
    return adapter.step([SlotRows(slot, rows.token_ids, rows.past, rows.outputs)], logits=True).logits
