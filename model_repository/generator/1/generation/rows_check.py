"""Refuses the rows of a step that do not fit a model, before they reach memory that they do not own."""

from collections.abc import Sequence

from generation.adapter import ModelAdapter, SlotRows


def check_rows(adapter: ModelAdapter, rows: Sequence[SlotRows]) -> None:
    """Check a step's rows against what an adapter holds.

    Raises:
        ValueError: no rows, an unknown or repeated slot, no token, a token outside the vocabulary, more rows
            than `max_rows_a_step`, more tokens than `capacity`.
    """
    if not rows:
        raise ValueError("a step without rows; give at least one slot's")
    slots = [share.slot for share in rows]
    if len(set(slots)) < len(slots):
        raise ValueError(f"slots {slots}: a slot appears twice; give each slot's rows once")
    for share in rows:
        count = len(share.token_ids)
        check_range("slot", share.slot, 0, adapter.slots - 1)
        check_range(f"slot {share.slot}: rows", count, 1, adapter.max_rows_a_step)
        check_range(f"slot {share.slot}: past", share.past, 0, adapter.capacity - count)
        check_range(f"slot {share.slot}: outputs", share.outputs, 0, count)
        check_token_ids(f"slot {share.slot}", share.token_ids, adapter.vocabulary_size)


def check_token_ids(where: str, token_ids: Sequence[int], vocabulary_size: int) -> None:
    """Check that tokens are in the vocabulary.

    Raises:
        ValueError: one is not.
    """
    for token_id in (min(token_ids), max(token_ids)):
        check_range(f"{where}: token id", token_id, 0, vocabulary_size - 1)


def check_range(what: str, value: int, least: int, most: int) -> None:
    """Check that a number is within its limits.

    Raises:
        ValueError: it is not; the message says what is allowed.
    """
    if not least <= value <= most:
        raise ValueError(f"{what} is {value}; allowed: {least} to {most}")
