"""Which requests run, and which rows each brings to the next step. Continuous batching (Yu et al. 2022,
"Orca") with chunked prefill (Agrawal et al. 2023, "SARATHI").

A step costs about as much as the rows in it. Every running answer gets its rows in every step, and prompts
share `prefill_chunk` rows, first come first served: a long prompt never holds an answer up by more than a
chunk.
"""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from generation.adapter import SlotRows
from generation.draft_length import Speculation
from generation.sequence import Sequence


@dataclass(frozen=True, slots=True)
class PlannedRows:
    """What a request brings to a step.

    Attributes:
        rows: its rows.
        drafts: the guessed tokens at their end.
    """

    rows: SlotRows
    drafts: tuple[int, ...] = ()


class Scheduler:
    """The waiting requests, the slots, and who is in them.

    Args:
        slots: how many requests run at once.
        prefill_chunk: rows of prompts a step, over all slots.
        max_rows_a_slot: rows that one slot may bring to a step.
        speculation: chooses drafts.
    """

    def __init__(
        self,
        slots: int,
        prefill_chunk: int,
        max_rows_a_slot: int,
        speculation: Speculation,
    ) -> None:
        self._waiting: deque[Sequence] = deque()
        self._running: dict[int, Sequence] = {}
        self._free_slots = set(range(slots))
        self._prefill_chunk = prefill_chunk
        self._max_rows_a_slot = max_rows_a_slot
        self._speculation = speculation

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

    def admit(self, choose: Callable[[list[int], list[int]], int]) -> tuple[int, Sequence] | None:
        """Give a free slot to who waited longest.

        Args:
            choose: chooses one of the free slots, given in ascending order, for a prompt.

        Returns:
            The slot and its request; None when no slot is free or nobody waits.
        """
        if not self._free_slots or not self._waiting:
            return None
        sequence = self._waiting.popleft()
        slot = choose(sorted(self._free_slots), sequence.prompt_ids)
        self._free_slots.remove(slot)
        self._running[slot] = sequence
        return slot, sequence

    def remove(self, sequence: Sequence) -> None:
        """Forget a request, and free its slot if it has one."""
        for slot, running in self._running.items():
            if running is sequence:
                del self._running[slot]
                self._free_slots.add(slot)
                return
        self._waiting.remove(sequence)

    def plan(self) -> list[PlannedRows]:
        """The rows of the next step; none when nothing runs."""
        planned = self._chunks()
        prompt_rows = sum(len(each.rows.token_ids) for each in planned)
        writing = [(slot, sequence) for slot, sequence in self._running.items() if sequence.is_decoding]
        rows = prompt_rows + len(writing)
        drafts = self._speculation.drafts([sequence for _, sequence in writing], rows)
        planned += [self._written(*each, draft) for each, draft in zip(writing, drafts, strict=True)]
        return planned

    def _chunks(self) -> list[PlannedRows]:
        """The rows of prompts."""
        budget = self._prefill_chunk
        planned = []
        for slot, sequence in self._running.items():
            count = 0 if sequence.is_decoding else min(sequence.unread, budget, self._max_rows_a_slot)
            if count:
                budget -= count
                end = sequence.past + count
                token_ids = tuple(sequence.token_ids[sequence.past : end])
                outputs = 1 if end == len(sequence.token_ids) else 0
                planned.append(PlannedRows(SlotRows(slot, token_ids, sequence.past, outputs)))
        return planned

    def _written(self, slot: int, sequence: Sequence, drafts: tuple[int, ...]) -> PlannedRows:
        """The rows of an answer: the token to read, and guesses to verify."""
        past = sequence.past
        drafts = drafts[: self._max_rows_a_slot - (len(sequence.token_ids) - past)]
        token_ids = (*sequence.token_ids[past:], *drafts)
        return PlannedRows(SlotRows(slot, token_ids, past, outputs=1 + len(drafts)), drafts)
