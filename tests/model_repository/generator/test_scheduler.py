from generation import AnswerCollector, GenerationOptions, SlotRows
from generation.detokenizer import Detokenizer
from generation.scheduler import Scheduler
from generation.sequence import Sequence
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, models

TOKENIZER = Tokenizer(models.BPE())


def sequence(prompt_tokens: int, answer_tokens: int = 2) -> Sequence:
    options = GenerationOptions(max_tokens=answer_tokens)
    detokenizer = Detokenizer(TOKENIZER, frozenset())
    return Sequence([1] * prompt_tokens, options, AnswerCollector(), detokenizer, frozenset())


def step(scheduler: Scheduler) -> list[SlotRows]:
    """One step of a model that always answers 1."""
    scheduler.admit()
    rows = scheduler.plan()
    for row in rows:
        running = scheduler.in_slot(row.slot)
        running.past += len(row.token_ids)
        if row.outputs:
            delta = running.accept(1, None)
            if delta is not None and delta.finish_reason:
                scheduler.remove(running)
    return rows


requests = st.lists(st.tuples(st.integers(1, 60), st.integers(1, 8)), min_size=1, max_size=20)


@given(requests=requests, slots=st.integers(1, 5), chunk=st.integers(3, 20), widest=st.integers(3, 20))
def test_every_request_is_served_within_the_limits(
    requests: list[tuple[int, int]], slots: int, chunk: int, widest: int
) -> None:
    scheduler = Scheduler(slots, chunk, widest)
    sequences = [sequence(*request) for request in requests]
    for each in sequences:
        scheduler.add(each)
    work = sum(prompt + answer for prompt, answer in requests)
    for _ in range(work):
        decoding = [each for each in scheduler if each.is_decoding]
        rows = step(scheduler)
        prefilled = sum(len(row.token_ids) for row in rows) - len(decoding)
        assert len({row.slot for row in rows}) == len(rows) <= slots
        assert 0 <= prefilled <= chunk
        assert all(len(row.token_ids) <= widest for row in rows)
        if not rows:
            break
    assert scheduler.running == scheduler.waiting == 0
    assert [each.answer_tokens for each in sequences] == [answer for _, answer in requests]


@given(requests=requests, chunk=st.integers(3, 20))
def test_a_prompt_is_never_read_one_row_at_a_time(requests: list[tuple[int, int]], chunk: int) -> None:
    scheduler = Scheduler(4, chunk, 64)
    for prompt_tokens, answer_tokens in requests:
        scheduler.add(sequence(max(prompt_tokens, 2), answer_tokens))
    while True:
        scheduler.admit()
        reading = {row.slot for row in scheduler.plan() if not scheduler.in_slot(row.slot).is_decoding}
        rows = step(scheduler)
        if not rows:
            break
        assert all(len(row.token_ids) >= 2 for row in rows if row.slot in reading)


def test_who_waited_longest_gets_the_free_slot() -> None:
    scheduler = Scheduler(1, 16, 16)
    first, second, third = sequence(4), sequence(4), sequence(4)
    for each in (first, second, third):
        scheduler.add(each)
    served = []
    while rows := step(scheduler):
        served += [each for each in (first, second, third) if each.answer_tokens and each not in served]
        assert len(rows) == 1
    assert served == [first, second, third]


def test_prompts_share_the_chunk_first_come_first_served() -> None:
    scheduler = Scheduler(3, 10, 64)
    for prompt_tokens in (6, 20, 5):
        scheduler.add(sequence(prompt_tokens))
    assert [len(row.token_ids) for row in step(scheduler)] == [6, 4]
    assert [(len(row.token_ids), row.outputs) for row in step(scheduler)] == [(1, 1), (10, 0)]


def test_a_request_that_waits_can_be_forgotten() -> None:
    scheduler = Scheduler(1, 16, 16)
    running, waiting = sequence(4), sequence(4)
    scheduler.add(running)
    scheduler.add(waiting)
    scheduler.admit()
    scheduler.remove(waiting)
    assert list(scheduler) == [running]
