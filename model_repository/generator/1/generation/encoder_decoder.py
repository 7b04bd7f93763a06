"""Encoder-decoder models (T5, BART) on two graphs: one reads a request's source, one steps all decoders.

A request's source is encoded once, when it gets its slot, into keys and values that the decoder attends to.
After that its slot is like any other: the decoder's own caches are written in place, a step takes any number
of rows from each slot, and on a CPU what a slot gets does not depend on its neighbours, bit for bit.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from generation.adapter import SlotRows, StepResult
from generation.cache_memory import CacheMemory
from generation.encoder_decoder_description import EncoderDecoderDescription
from generation.errors import PromptError, SettingsError
from generation.rows_check import check_range, check_rows, check_token_ids
from generation.session import load_session
from generation.slot_caches import CacheBinding, run_parts

DECODER_FILE = "generator.onnx"
ENCODER_FILE = "source_encoder.onnx"


class EncoderDecoderAdapter:
    """An encoder-decoder model with a fixed number of slots; one call at a time, from one thread.

    Args:
        encoder: the graph that reads a source.
        decoder: the graph of a step.
        memory: where the caches go.
        description: of both.
        slots: how many sequences can be in flight.
        capacity: tokens that the decoder of a slot can hold, start tokens and answer together.
        source_capacity: tokens that a slot's source can have.
        max_rows_a_step: rows that one slot may bring to a step.

    Raises:
        SettingsError: the sizes do not fit the graphs.
    """

    def __init__(
        self,
        encoder: ort.InferenceSession,
        decoder: ort.InferenceSession,
        memory: CacheMemory,
        description: EncoderDecoderDescription,
        *,
        slots: int,
        capacity: int,
        source_capacity: int,
        max_rows_a_step: int,
    ) -> None:
        _check_size("slots", slots, 1, None)
        _check_size("capacity", capacity, len(description.start_token_ids) + 1, description.longest_target)
        _check_size("source_capacity", source_capacity, 1, description.longest_source)
        _check_size("max_rows_a_step", max_rows_a_step, 1, None)
        self.slots = slots
        self.capacity = capacity
        self.source_capacity = source_capacity
        self.max_rows_a_step = max_rows_a_step
        self.vocabulary_size = description.vocabulary_size
        self.end_token_ids = description.end_token_ids
        self.start_token_ids = description.start_token_ids
        size, kind = description.head_size, description.cache
        self._caches = memory.allocate("cache", slots, description.heads, capacity, size, kind)
        heads = description.cross_heads
        self._sources = memory.allocate("cross", slots, heads, source_capacity, size, kind)
        self._source_lengths = np.zeros(slots, np.int32)  # 0 before a slot's first source
        self._source_numbers = [0] * slots  # slots with the same number have the same source
        self._sources_read = 0
        self._reading = CacheBinding(encoder, cross=self._sources)
        self._writing = CacheBinding(decoder, cache=self._caches, cross=self._sources)

    @classmethod
    def load(
        cls,
        folder: Path,
        *,
        slots: int,
        capacity: int,
        source_capacity: int,
        threads: int = 0,
        max_rows_a_step: int = 64,
        device: str | None = None,
    ) -> Self:
        """Load both graphs, their weights and `generator.json`, and allocate the caches.

        Args:
            folder: the version folder.
            slots: how many sequences can be in flight.
            capacity: tokens that the decoder of a slot can hold.
            source_capacity: tokens that a slot's source can have.
            threads: threads of each graph; 0: one for each core. Only one of them runs at a time.
            max_rows_a_step: rows that one slot may bring to a step.
            device: what runs the graphs; None: what they were built for. "cpu" checks graphs for a GPU.

        Raises:
            SettingsError: a file is missing or broken, the sizes do not fit the graphs, or there is no GPU.
        """
        description = EncoderDecoderDescription.load(folder)
        memory = CacheMemory(folder, built_for=description.device, device=device or description.device)
        return cls(
            load_session(folder / ENCODER_FILE, threads, device=memory.device, is_occasional=True),
            load_session(folder / DECODER_FILE, threads, device=memory.device),
            memory,
            description,
            slots=slots,
            capacity=capacity,
            source_capacity=source_capacity,
            max_rows_a_step=max_rows_a_step,
        )

    @property
    def cache_bytes(self) -> int:
        """Memory of all slots' caches; pages that no token was written to are not resident yet."""
        return self._caches.size_bytes + self._sources.size_bytes

    def check_room(self, prompt_tokens: int, max_tokens: int) -> None:
        """Refuse a request that can never fit: the source and the answer have a room each.

        Args:
            prompt_tokens: tokens of the source.
            max_tokens: tokens that the answer may have.

        Raises:
            PromptError: one of them is longer than its room.
        """
        if prompt_tokens > self.source_capacity:
            raise PromptError(
                f"PROMPT_IDS has {prompt_tokens} tokens; allowed: {self.source_capacity}; shorten the prompt"
            )
        most = self.capacity - len(self.start_token_ids)
        if max_tokens > most:
            raise PromptError(f"MAX_TOKENS is {max_tokens}; allowed: {most}; lower MAX_TOKENS")

    def start(self, slot: int, prompt_ids: Sequence[int]) -> tuple[int, ...]:
        """Read a request's source into a slot; this runs the encoder.

        Args:
            slot: which slot; what it held is forgotten.
            prompt_ids: the source, at most `source_capacity` tokens.

        Returns:
            The tokens that the decoder reads first.

        Raises:
            ValueError: an unknown slot, no token or too many, or one outside the vocabulary.
        """
        check_range("slot", slot, 0, self.slots - 1)
        check_range(f"slot {slot}: source tokens", len(prompt_ids), 1, self.source_capacity)
        check_token_ids(f"slot {slot}", prompt_ids, self.vocabulary_size)
        places = self._sources.store_inputs(slot, len(prompt_ids))
        self._reading.run({"token_ids": np.array(prompt_ids, np.int64)} | places)
        self._source_lengths[slot] = len(prompt_ids)
        self._sources_read += 1
        self._source_numbers[slot] = self._sources_read
        return self.start_token_ids

    def copy_prefix(self, source: int, target: int, tokens: int) -> None:
        """Copy a slot's first tokens to another slot, and the source beside which they were read.

        Args:
            source: the slot that holds them.
            target: the slot that gets them; what it held is forgotten, but a source that is the same stays.
            tokens: how many.

        Raises:
            ValueError: an unknown slot, or more tokens than a slot holds.
        """
        check_range("source slot", source, 0, self.slots - 1)
        check_range("target slot", target, 0, self.slots - 1)
        check_range(f"slot {source}: tokens", tokens, 0, self.capacity)
        if self._source_numbers[target] != self._source_numbers[source]:
            self._sources.copy_prefix(source, target, int(self._source_lengths[source]))
            self._source_lengths[target] = self._source_lengths[source]
            self._source_numbers[target] = self._source_numbers[source]
        self._caches.copy_prefix(source, target, tokens)

    def step(self, rows: Sequence[SlotRows], *, logits: bool) -> StepResult:
        """Append each slot's tokens to its cache and give the results of its last rows.

        Args:
            rows: at least one slot's rows; slots without rows keep their caches unchanged.
            logits: whether the scores are wanted beside the most probable token.

        Raises:
            ValueError: rows that do not fit: none, an unknown or repeated slot, one without a source, no
                token, a token outside the vocabulary, more rows than `max_rows_a_step`, more tokens than
                `capacity`.
        """
        check_rows(self, rows)
        for share in rows:
            if not self._source_lengths[share.slot]:
                raise ValueError(f"slot {share.slot} has no source yet; call start() first")
        scores = np.empty((sum(share.outputs for share in rows), self.vocabulary_size), np.float32)
        run_parts(rows, self._caches.parts(rows), scores, self._run)
        return StepResult.of(scores, logits=logits)

    def _run(self, rows: Sequence[SlotRows], scores: npt.NDArray[np.float32]) -> None:
        slots = [share.slot for share in rows]
        inputs = self._caches.step_inputs(rows)
        inputs |= self._sources.source_inputs(slots, self._source_lengths[slots])
        inputs["positions"] = np.concatenate([_positions(share) for share in rows])
        self._writing.run(inputs, scores)


def _positions(share: SlotRows) -> npt.NDArray[np.int64]:
    """How many tokens come before each row of a slot."""
    return np.arange(share.past, share.past + len(share.token_ids), dtype=np.int64)


def _check_size(name: str, value: int, least: int, most: int | None) -> None:
    if value < least or (most is not None and value > most):
        raise SettingsError(f"{name} is {value}; allowed: {least} to {most or 'what memory holds'}")
