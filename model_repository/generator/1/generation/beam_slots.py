"""Where the beams of a search lie in the slots of its request.

A beam goes on from one of those before it. The first that does so stays in that one's slot, where all that it
has read is already; the others get it copied to slots that nobody goes on from. So no copy overwrites what
another one reads, in whatever order they are made, and a search whose beams do not branch copies nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CacheCopy:
    """A beginning to copy between slots.

    Attributes:
        source: the slot that holds it.
        target: the slot that gets it.
        tokens: how many.
    """

    source: int
    target: int
    tokens: int


def placed(
    parent_slots: Sequence[int], slots: Sequence[int], tokens: int
) -> tuple[tuple[int, ...], tuple[CacheCopy, ...]]:
    """Give each beam a slot.

    Args:
        parent_slots: of each beam, the slot of the one that it goes on from; there are at most as many beams
            as slots.
        slots: all that the request has.
        tokens: what the beams before have read.

    Returns:
        The slot of each beam, and what has to be copied, in any order.
    """
    free = [slot for slot in slots if slot not in parent_slots]
    taken: list[int] = []
    copies: list[CacheCopy] = []
    for parent in parent_slots:
        if parent in taken:
            copies.append(CacheCopy(parent, free.pop(), tokens))
            taken.append(copies[-1].target)
        else:
            taken.append(parent)
    return tuple(taken), tuple(copies)
