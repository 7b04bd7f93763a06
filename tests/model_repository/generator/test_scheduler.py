import numpy as np
from generation import AnswerCollector, GenerationOptions, SlotRows, StepResult
from generation.beam_sequence import BeamSequence
from generation.detokenizer import Detokenizer
from generation.draft_length import Speculation
from generation.scheduler import Scheduler
from generation.sequence import Sequence
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, models

TOKENIZER = Tokenizer(models.BPE())


def beam_search(beams: int) -> BeamSequence:
    options = GenerationOptions(max_tokens=2, beams=beams)
    return BeamSequence([1], options, AnswerCollector(), Detokenizer(TOKENIZER, frozenset()), frozenset())


def sequence(prompt_tokens: int, answer_tokens: int = 2) -> Sequence:
    options = GenerationOptions(max_tokens=answer_tokens)
    detokenizer = Detokenizer(TOKENIZER, frozenset())
    return Sequence([1] * prompt_tokens, options, AnswerCollector(), detokenizer, frozenset())


def scheduler_of(slots: int, chunk: int, widest: int, longest_draft: int = 0) -> Scheduler:
    return Scheduler(slots, chunk, widest, Speculation(longest_draft))


def admit(scheduler: Scheduler) -> None:
    """Give all free slots away, the lowest first."""
    while started := scheduler.admit(lambda free, prompt_ids: free[0]):
        started.begin(tuple(started.prompt_ids), past=0)


def step(scheduler: Scheduler) -> list[SlotRows]:
    """One step of a model that always answers 1."""
    admit(scheduler)
    planned = scheduler.plan()
    for each in planned:
        if each.outputs == 0:
            each.request.past += each.tokens
            continue
        ones = np.ones(each.outputs, np.int64)
        delta = each.request.advance(each.drafts, StepResult(ones, np.zeros(each.outputs, np.float32), None))
        if delta is not None and delta.finish_reason:
            scheduler.remove(each.request)
    return [share for each in planned for share in each.rows]


requests = st.lists(st.tuples(st.integers(1, 60), st.integers(1, 8)), min_size=1, max_size=20)


@given(
    requests=requests,
    slots=st.integers(1, 5),
    chunk=st.integers(1, 20),
    widest=st.integers(3, 20),
    longest_draft=st.integers(0, 9),
)
def test_every_request_is_served_within_the_limits(
    requests: list[tuple[int, int]], slots: int, chunk: int, widest: int, longest_draft: int
) -> None:
    scheduler = scheduler_of(slots, chunk, widest, longest_draft)
    sequences = [sequence(*request) for request in requests]
    for each in sequences:
        scheduler.add(each)
    work = sum(prompt + answer for prompt, answer in requests)
    for _ in range(work):
        decoding = {id(each) for each in scheduler if each.is_decoding}
        admit(scheduler)
        reading = {
            share.slot for each in scheduler.plan() for share in each.rows if id(each.request) not in decoding
        }
        rows = step(scheduler)
        prefilled = sum(len(row.token_ids) for row in rows if row.slot in reading)
        assert len({row.slot for row in rows}) == len(rows) <= slots
        assert 0 <= prefilled <= chunk
        assert all(len(row.token_ids) <= widest for row in rows)
        if not rows:
            break
    assert scheduler.running == scheduler.waiting == 0
    assert [each.answer_tokens for each in sequences] == [answer for _, answer in requests]


def test_who_waited_longest_gets_the_free_slot() -> None:
    scheduler = scheduler_of(1, 16, 16)
    first, second, third = sequence(4), sequence(4), sequence(4)
    for each in (first, second, third):
        scheduler.add(each)
    served = []
    while rows := step(scheduler):
        served += [each for each in (first, second, third) if each.answer_tokens and each not in served]
        assert len(rows) == 1
    assert served == [first, second, third]


def test_prompts_share_the_chunk_first_come_first_served() -> None:
    scheduler = scheduler_of(3, 10, 64)
    for prompt_tokens in (6, 20, 5):
        scheduler.add(sequence(prompt_tokens))
    assert [len(row.token_ids) for row in step(scheduler)] == [6, 4]
    assert [(len(row.token_ids), row.outputs) for row in step(scheduler)] == [(10, 0), (1, 1)]


def test_a_request_that_waits_can_be_forgotten() -> None:
    scheduler = scheduler_of(1, 16, 16)
    running, waiting = sequence(4), sequence(4)
    scheduler.add(running)
    scheduler.add(waiting)
    admit(scheduler)
    scheduler.remove(waiting)
    assert list(scheduler) == [running]


def test_an_answer_brings_one_row_to_a_step() -> None:
    scheduler = scheduler_of(1, 16, 16)
    scheduler.add(sequence(4, answer_tokens=3))
    assert step(scheduler) == [SlotRows(0, (1, 1, 1, 1), past=0, outputs=1)]
    assert step(scheduler) == [SlotRows(0, (1,), past=4, outputs=1)]
    assert step(scheduler) == [SlotRows(0, (1,), past=5, outputs=1)]


def test_guesses_never_go_beyond_the_last_token_asked_for() -> None:
    scheduler = scheduler_of(1, 16, 16, longest_draft=8)
    scheduler.add(sequence(8, answer_tokens=4))
    step(scheduler)
    (rows,) = step(scheduler)
    assert rows == SlotRows(0, (1, 1, 1), past=8, outputs=3)  # one new, two guesses
    assert step(scheduler) == []


@given(requests=requests, chunk=st.integers(1, 20), slots=st.integers(1, 4))
def test_nobody_waits_for_who_came_later(requests: list[tuple[int, int]], chunk: int, slots: int) -> None:
    scheduler = scheduler_of(slots, chunk, 64)
    sequences = [sequence(*request) for request in requests]
    for each in sequences:
        scheduler.add(each)
    begun: list[int] = []
    while step(scheduler):
        begun += [n for n, each in enumerate(sequences) if each.answer_tokens and n not in begun]
    # A later, shorter prompt may be read sooner only among those that have slots at the same time.
    assert all(begun.index(n) - n < slots for n in begun)


def test_a_beam_search_waits_until_all_its_slots_are_free_and_nobody_overtakes_it() -> None:
    scheduler = scheduler_of(3, 16, 16)
    first, second, search, later = sequence(4), sequence(4), beam_search(3), sequence(4)
    for each in (first, second, search, later):
        scheduler.add(each)
    admit(scheduler)
    assert (scheduler.running, scheduler.waiting) == (2, 2)
    scheduler.remove(first)
    admit(scheduler)
    assert list(scheduler) == [second, search, later]
    assert (scheduler.running, scheduler.waiting) == (1, 2)
    scheduler.remove(second)
    admit(scheduler)
    assert sorted(search.slots) == [0, 1, 2]
    assert (scheduler.running, scheduler.waiting) == (1, 1)
    scheduler.remove(search)
    admit(scheduler)
    assert list(scheduler) == [later]
    assert scheduler.running == 1


def test_a_beam_search_that_leaves_the_queue_lets_the_next_in() -> None:
    scheduler = scheduler_of(2, 16, 16)
    running, search, later = sequence(4), beam_search(2), sequence(4)
    for each in (running, search, later):
        scheduler.add(each)
    admit(scheduler)
    scheduler.remove(search)
    admit(scheduler)
    assert (scheduler.running, scheduler.waiting) == (2, 0)
