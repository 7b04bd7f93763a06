"""Remembers what the caches of the slots hold, so that a prompt's known beginning is not read again.

All prompts begin with the same instruction and template, and a follow-up question with the conversation so
far. What a slot's cache holds of its last prompt stays there until it is overwritten: a new request goes on
behind the longest beginning that it shares, or copies it from another slot. Keys and values of a prompt have
the same bits however it was cut into chunks (on a CPU; on a GPU all but the last), so an answer does not
depend on where they came from.
"""

from collections.abc import Iterable, Sequence

from generation.adapter import ModelAdapter

LEAST_COPIED = 16
"""A beginning shorter than this is read again sooner than it is copied."""


class PrefixReuse:
    """The prompt tokens that each slot's cache holds.

    Args:
        adapter: copies beginnings between slots; behind an encoder nothing is shared, since what a decoder
            computes depends on the whole source.
    """

    def __init__(self, adapter: ModelAdapter) -> None:
        self._adapter = adapter
        self._is_off = adapter.source_capacity > 0
        self._held: list[tuple[int, ...]] = [()] * adapter.slots

    def choose(self, free_slots: Sequence[int], prompt_ids: Sequence[int]) -> int:
        """The free slot that holds most of a prompt; of equals the lowest."""
        return self._best(free_slots, prompt_ids)[0]

    def reuse(self, slot: int, prompt_ids: Sequence[int]) -> int:
        """Take what is there of a prompt, from the slot itself or copied from another one.

        Returns:
            How many tokens need not be read.
        """
        tokens = self._shared(slot, prompt_ids)
        source, most = self._best(range(len(self._held)), prompt_ids)
        if most >= tokens + LEAST_COPIED:
            self._adapter.copy_prefix(source, slot, most)
            tokens = most
        self.remember(slot, prompt_ids[:tokens])
        return tokens

    def remember(self, slot: int, token_ids: Sequence[int]) -> None:
        """Note that a slot's cache begins with these tokens of a prompt, and no more is known of it."""
        self._held[slot] = () if self._is_off else tuple(token_ids)

    def _shared(self, slot: int, prompt_ids: Sequence[int]) -> int:
        held = self._held[slot]
        most = min(len(held), len(prompt_ids) - 1)  # the last token is read, to know what follows it
        return next((place for place in range(most) if held[place] != prompt_ids[place]), most)

    def _best(self, slots: Iterable[int], prompt_ids: Sequence[int]) -> tuple[int, int]:
        tokens, negative = max((self._shared(slot, prompt_ids), -slot) for slot in slots)
        return -negative, tokens
