"""Causal language models on the ragged graph: caches in place, one run of ONNX Runtime a step.

On a CPU, what a slot gets does not depend on its neighbours, nor on how its prompt is cut into chunks or how
many drafts stand beside its rows, bit for bit, in every precision. On a GPU a step whose shares differ much
in length may take more than one run, and the last bits of a sum may change with the rows beside it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from generation.adapter import SlotRows, StepResult
from generation.cache_memory import CacheMemory
from generation.description_file import read_description, write_description
from generation.errors import SettingsError
from generation.prompt_check import check_together
from generation.rows_check import check_rows
from generation.session import CPU, load_session
from generation.slot_caches import CacheBinding, run_parts

GRAPH_FILE = "generator.onnx"


@dataclass(frozen=True, slots=True)
class CausalDescription:
    """What `generator.json` says about the graph beside it.

    Attributes:
        family: the model type by transformers' name, such as "llama".
        precision: "fp32", "fp16", "int8" or "int4".
        kv_heads: heads of the cache of each layer.
        head_size: channels of a head.
        vocabulary_size: the width of the logits.
        end_token_ids: the tokens that end an answer.
        context_tokens: the longest text that the graph was built for.
        layer_channels: channels that all operations of the widest layer give a row, added up.
        cache: what keys and values are kept in, "fp32", "fp16" or "int8".
        device: what the graph was built for, "cpu" or "cuda".
        most_heads: of queries, the most that a layer has.
    """

    family: str
    precision: str
    kv_heads: tuple[int, ...]
    head_size: int
    vocabulary_size: int
    end_token_ids: frozenset[int]
    context_tokens: int
    layer_channels: int
    cache: str = "fp32"
    device: str = CPU
    most_heads: int = 0

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read the description in a version folder.

        Raises:
            SettingsError: the file is missing, not JSON, or not a description.
        """
        return read_description(cls, folder, tuples=("kv_heads",))

    def save(self, folder: Path) -> Path:
        """Write the description into a version folder.

        Returns:
            The file written.
        """
        return write_description(folder, self)


class CausalAdapter:
    """A causal language model with a fixed number of slots; one step at a time, from one thread.

    Args:
        session: the graph.
        memory: where the caches go.
        description: of the graph.
        slots: how many sequences can be in flight.
        capacity: tokens a slot can hold.
        max_rows_a_step: rows that one slot may bring to a step.
    """

    def __init__(
        self,
        session: ort.InferenceSession,
        memory: CacheMemory,
        description: CausalDescription,
        *,
        slots: int,
        capacity: int,
        max_rows_a_step: int,
    ) -> None:
        _check_sizes(description, slots=slots, capacity=capacity, max_rows_a_step=max_rows_a_step)
        self.slots = slots
        self.capacity = capacity
        self.max_rows_a_step = max_rows_a_step
        self.vocabulary_size = description.vocabulary_size
        self.end_token_ids = description.end_token_ids
        size, kind = description.head_size, description.cache
        self._caches = memory.allocate("cache", slots, description.kv_heads, capacity, size, kind)
        self._binding = CacheBinding(session, cache=self._caches)
        self._logits = np.empty((0, description.vocabulary_size), np.float32)

    @classmethod
    def load(
        cls,
        folder: Path,
        *,
        slots: int,
        capacity: int,
        threads: int = 0,
        max_rows_a_step: int = 256,
        device: str | None = None,
    ) -> Self:
        """Load `generator.onnx`, its weights and `generator.json`, and allocate the caches.

        Args:
            folder: the version folder.
            slots: how many sequences can be in flight.
            capacity: tokens a slot can hold, at most the context that the graph was built for.
            threads: threads of the graph; 0: one for each core.
            max_rows_a_step: rows that one slot may bring to a step.
            device: what runs the graph; None: what it was built for. "cpu" checks a graph for a GPU.

        Raises:
            SettingsError: a file is missing or broken, the sizes do not fit the graph, or there is no GPU.
        """
        description = CausalDescription.load(folder)
        memory = CacheMemory(folder, built_for=description.device, device=device or description.device)
        session = load_session(folder / GRAPH_FILE, threads, device=memory.device)
        return cls(
            session, memory, description, slots=slots, capacity=capacity, max_rows_a_step=max_rows_a_step
        )

    @property
    def source_capacity(self) -> int:
        """No encoder: prompts are read in steps."""
        return 0

    @property
    def cache_bytes(self) -> int:
        """Memory of all slots' caches; pages that no token was written to are not resident yet."""
        return self._caches.size_bytes

    def check_room(self, prompt_tokens: int, max_tokens: int) -> None:
        """Refuse a request whose prompt and answer do not fit into a slot.

        Raises:
            PromptError: with the numbers.
        """
        check_together(prompt_tokens, max_tokens, self.capacity)

    def start(self, slot: int, prompt_ids: Sequence[int]) -> tuple[int, ...]:
        """The prompt itself, to be read in steps."""
        return tuple(prompt_ids)

    def copy_prefix(self, source: int, target: int, tokens: int) -> None:
        """Copy a slot's first tokens to another slot, whatever both hold behind them."""
        self._caches.copy_prefix(source, target, tokens)

    def step(self, rows: Sequence[SlotRows], *, logits: bool) -> StepResult:
        """Append each slot's tokens to its cache and give the results of its last rows.

        Args:
            rows: at least one slot's rows; slots without rows keep their caches unchanged.
            logits: whether the scores are wanted beside the most probable token.

        Raises:
            ValueError: rows that do not fit: none, an unknown or repeated slot, no token, a token outside the
                vocabulary, more rows than `max_rows_a_step`, more tokens than `capacity`.
        """
        check_rows(self, rows)
        scores = self._room_for_logits(sum(share.outputs for share in rows))
        run_parts(rows, self._caches.parts(rows), scores, self._run)
        # The next step writes over these scores: who wants them gets a copy.
        return StepResult.of(scores.copy() if logits else scores, logits=logits)

    def _run(self, rows: Sequence[SlotRows], scores: npt.NDArray[np.float32]) -> None:
        self._binding.run(self._caches.step_inputs(rows), scores)

    def _room_for_logits(self, outputs: int) -> npt.NDArray[np.float32]:
        """Memory for the scores of a step, (outputs, vocabulary), used again by the next one."""
        if len(self._logits) < outputs:
            self._logits = np.empty((outputs, self.vocabulary_size), np.float32)
        return self._logits[:outputs]


def _check_sizes(description: CausalDescription, *, slots: int, capacity: int, max_rows_a_step: int) -> None:
    allowed = {
        "slots": (slots, 1, None),
        "capacity": (capacity, 2, description.context_tokens),
        "max_rows_a_step": (max_rows_a_step, 1, None),
    }
    for name, (value, least, most) in allowed.items():
        if value < least or (most is not None and value > most):
            raise SettingsError(f"{name} is {value}; allowed: {least} to {most or 'what memory holds'}")
