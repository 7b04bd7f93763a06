"""Where beams lie: whatever branches from whatever, each slot holds what its beam goes on from."""

from generation.beam_slots import CacheCopy, placed
from hypothesis import given
from hypothesis import strategies as st


@given(data=st.data(), slots=st.lists(st.integers(0, 20), min_size=1, max_size=8, unique=True))
def test_each_beam_holds_what_its_parent_held_whatever_the_order_of_copies(
    data: st.DataObject, slots: list[int]
) -> None:
    parents = data.draw(st.lists(st.sampled_from(slots), min_size=1, max_size=len(slots)))
    beam_slots, copies = placed(parents, slots, 7)
    held = {slot: slot for slot in slots}
    for copy in data.draw(st.permutations(copies)):
        held[copy.target] = held[copy.source]
    assert [held[slot] for slot in beam_slots] == parents
    assert len(set(beam_slots)) == len(parents)
    assert set(beam_slots) <= set(slots)


@given(slots=st.permutations(range(6)))
def test_beams_that_do_not_branch_copy_nothing(slots: list[int]) -> None:
    assert placed(slots, range(6), 7) == (tuple(slots), ())


def test_one_beam_becomes_many_by_a_copy_each() -> None:
    beam_slots, copies = placed([4, 4, 4], (4, 0, 9), 3)
    assert beam_slots[0] == 4
    assert sorted(copies, key=lambda copy: copy.target) == [CacheCopy(4, 0, 3), CacheCopy(4, 9, 3)]
