"""Which requests run, and which rows each brings to the next step. Continuous batching (Yu et al. 2022,
"Orca") with chunked prefill (Agrawal et al. 2023, "SARATHI").

A step costs about as much as the rows in it. Every running answer gets its rows in every step, and prompts
share `prefill_chunk` rows, first come first served: a long prompt never holds an answer up by more than a
chunk. A beam search takes a slot for each beam, all at once: until so many are free, all behind it wait.
"""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from generation.adapter import SlotRows
from generation.beam_slots import CacheCopy
from generation.draft_length import Speculation
from generation.request import Request


@dataclass(frozen=True, slots=True)
class PlannedRows:
    """What a request brings to a step.

    Attributes:
        request: which.
        rows: its rows, one slot's or several.
        drafts: the guessed tokens at the end of the only slot's.
        copies: what its slots get from each other before they are run.
    """

    request: Request
    rows: tuple[SlotRows, ...]
    drafts: tuple[int, ...] = ()
    copies: tuple[CacheCopy, ...] = ()

    @property
    def tokens(self) -> int:
        """How many rows they are."""
        return sum(len(share.token_ids) for share in self.rows)

    @property
    def outputs(self) -> int:
        """How many of them need a result."""
        return sum(share.outputs for share in self.rows)


class Scheduler:
    """The waiting requests, the slots, and who is in them.

    Args:
        slots: how many answers, or beams of one, are written at once.
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
        self._waiting: deque[Request] = deque()
        self._running: list[Request] = []
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

    def __iter__(self) -> Iterator[Request]:
        """All requests: those in slots in the order they came, then those that wait."""
        yield from self._running
        yield from self._waiting

    def add(self, request: Request) -> None:
        """Let a request wait for its slots, behind those that came before."""
        self._waiting.append(request)

    def admit(self, choose: Callable[[list[int], list[int]], int]) -> Request | None:
        """Give free slots to who waited longest.

        Args:
            choose: chooses one of the free slots, given in ascending order, for a prompt.

        Returns:
            The request, which has its slots now; None when nobody waits or too few are free for the first.
        """
        if not self._waiting or self._waiting[0].slots_needed > len(self._free_slots):
            return None
        request = self._waiting.popleft()
        free = sorted(self._free_slots)
        first = choose(free, request.prompt_ids)
        free.remove(first)
        request.slots = (first, *free[: request.slots_needed - 1])
        self._free_slots.difference_update(request.slots)
        self._running.append(request)
        return request

    def remove(self, request: Request) -> None:
        """Forget a request, and free its slots if it has any."""
        if request not in self._running:
            self._waiting.remove(request)
            return
        self._running.remove(request)
        self._free_slots.update(request.slots)

    def plan(self) -> list[PlannedRows]:
        """The rows of the next step; none when nothing runs."""
        planned = self._chunks()
        writing = [request for request in self._running if request.is_decoding]
        rows = sum(each.tokens for each in planned) + sum(len(each.next_rows(())) for each in writing)
        drafts = self._speculation.drafts(writing, rows)
        planned += [self._written(*each) for each in zip(writing, drafts, strict=True)]
        return planned

    def _chunks(self) -> list[PlannedRows]:
        """The rows of prompts."""
        budget = self._prefill_chunk
        planned = []
        for request in self._running:
            count = 0 if request.is_decoding else min(request.unread, budget, self._max_rows_a_slot)
            if count:
                budget -= count
                end = request.past + count
                token_ids = tuple(request.token_ids[request.past : end])
                outputs = 1 if end == len(request.token_ids) else 0
                share = SlotRows(request.slots[0], token_ids, request.past, outputs)
                planned.append(PlannedRows(request, (share,)))
        return planned

    def _written(self, request: Request, drafts: tuple[int, ...]) -> PlannedRows:
        """The rows of an answer."""
        drafts = drafts[: self._max_rows_a_slot - 1]
        return PlannedRows(request, request.next_rows(drafts), drafts, request.copies)
