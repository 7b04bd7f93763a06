"""A small real adapter: any transformers causal model, which reads a slot's tokens anew in every step."""

from collections.abc import Sequence

import numpy as np
import torch
from generation import SlotRows, StepResult
from generation.prompt_check import check_together
from transformers import PreTrainedModel


class TorchAdapter:
    """Keeps the tokens of each slot in the place of its key/value cache.

    Attributes:
        steps: the rows of every step so far.
        logits_asked: for every step so far, whether scores were asked for.
        failure: what the next step raises, once.
        spoiled_slots: whose scores are no numbers.
    """

    def __init__(
        self, model: PreTrainedModel, slots: int, capacity: int, end_token_ids: frozenset[int]
    ) -> None:
        self.slots = slots
        self.capacity = capacity
        self.source_capacity = 0
        self.max_rows_a_step = capacity
        self.vocabulary_size = model.config.vocab_size
        self.end_token_ids = end_token_ids
        self.steps: list[list[SlotRows]] = []
        self.logits_asked: list[bool] = []
        self.failure: Exception | None = None
        self.spoiled_slots: set[int] = set()
        self._model = model
        self._cached: list[list[int]] = [[] for _ in range(slots)]

    def check_room(self, prompt_tokens: int, max_tokens: int) -> None:
        check_together(prompt_tokens, max_tokens, self.capacity)

    def start(self, slot: int, prompt_ids: Sequence[int]) -> tuple[int, ...]:
        return tuple(prompt_ids)

    def copy_prefix(self, source: int, target: int, tokens: int) -> None:
        self._cached[target][:tokens] = self._cached[source][:tokens]

    def step(self, rows: Sequence[SlotRows], *, logits: bool) -> StepResult:
        self.steps.append(list(rows))
        self.logits_asked.append(logits)
        if self.failure is not None:
            failure, self.failure = self.failure, None
            raise failure
        scores = [self._scores(row) for row in rows]
        joined = np.concatenate(scores)  # (outputs of all slots, vocabulary)
        return StepResult(joined.argmax(axis=-1), joined.max(axis=-1), joined if logits else None)

    def _scores(self, row: SlotRows) -> np.ndarray:
        cached = self._cached[row.slot]
        if len(cached) < row.past:
            raise ValueError(f"slot {row.slot} holds {len(cached)} tokens, not {row.past}")
        cached[row.past :] = row.token_ids
        if len(cached) > self.capacity:
            raise ValueError(f"slot {row.slot} would hold {len(cached)} tokens of {self.capacity}")
        with torch.inference_mode():
            logits = self._model(torch.tensor([cached])).logits[0]  # (tokens, vocabulary)
        scores = logits[len(cached) - row.outputs :].numpy()
        return np.full_like(scores, np.nan) if row.slot in self.spoiled_slots else scores
