"""Which requests run, and which rows each brings to the next step. Continuous batching (Yu et al. 2022,
"Orca") with chunked prefill (Agrawal et al. 2023, "SARATHI").

A step costs about as much as the rows in it. Every running answer gets its one row in every step, and prompts
share `prefill_chunk` rows, first come first served: a long prompt never holds an answer up by more than a
chunk.

A chunk of exactly one row is avoided: attention kernels take another path for it, with other rounding, and an
answer would then depend on how its neighbours cut the prompt.
"""

import heapq
from collections import deque
from collections.abc import Iterator

from generation.adapter import SlotRows
from generation.sequence import Sequence


class Scheduler:
    """The waiting requests, the slots, and who is in them.

    Args:
        slots: how many requests run at once.
        prefill_chunk: rows of prompts a step, over all slots; at least 3, since two cannot cut three tokens
            without leaving a single one.
        max_rows_a_slot: rows that one slot may bring to a step, at least 3.
    """

    def __init__(self, slots: int, prefill_chunk: int, max_rows_a_slot: int) -> None:
        self._waiting: deque[Sequence] = deque()
        self._running: dict[int, Sequence] = {}
        self._free_slots = list(range(slots))
        self._prefill_chunk = prefill_chunk
        self._max_rows_a_slot = max_rows_a_slot

    @property
    def waiting(self) -> int:
        """How many requests wait for a slot."""
        return len(self._waiting)

    @property
    def running(self) -> int:
        """How many requests have a slot."""
        return len(self._running)

    def __iter__(self) -> Iterator[Sequence]:
        """All requests: those in slots in the order they came, then those that wait."""
        yield from self._running.values()
        yield from self._waiting

    def in_slot(self, slot: int) -> Sequence:
        """The request that runs in a slot."""
        return self._running[slot]

    def add(self, sequence: Sequence) -> None:
        """Let a request wait for a slot, behind those that came before."""
        self._waiting.append(sequence)

    def admit(self) -> None:
        """Give free slots to those who waited longest; low slots first, since close ones cost least."""
        while self._free_slots and self._waiting:
            self._running[heapq.heappop(self._free_slots)] = self._waiting.popleft()

    def remove(self, sequence: Sequence) -> None:
        """Forget a request, and free its slot if it has one."""
        for slot, running in self._running.items():
            if running is sequence:
                del self._running[slot]
                heapq.heappush(self._free_slots, slot)
                return
        self._waiting.remove(sequence)

    def plan(self) -> list[SlotRows]:
        """The rows of the next step; none when nothing runs."""
        budget = self._prefill_chunk
        planned = []
        for slot, sequence in self._running.items():
            rows = 1 if sequence.is_decoding else self._chunk(sequence.unread, budget)
            if rows == 0:
                continue
            budget -= 0 if sequence.is_decoding else rows
            planned.append(_slot_rows(slot, sequence, rows))
        return planned

    def _chunk(self, unread: int, budget: int) -> int:
        """How many rows of a prompt to read: at most the budget, and neither take nor leave a single one."""
        rows = min(unread, budget, self._max_rows_a_slot)
        if rows == unread:
            return rows
        if unread - rows == 1:
            rows -= 1
        return rows if rows >= 2 else 0


def _slot_rows(slot: int, sequence: Sequence, rows: int) -> SlotRows:
    end = sequence.past + rows
    return SlotRows(
        slot=slot,
        token_ids=tuple(sequence.token_ids[sequence.past : end]),
        past=sequence.past,
        outputs=1 if end == len(sequence.token_ids) else 0,
    )
