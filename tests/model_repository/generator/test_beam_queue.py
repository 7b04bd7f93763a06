"""Requests of many slots and of one in the same queue: who waited longest comes first, and nobody starves."""

from collections import deque

import numpy as np
from generation import AnswerCollector, GenerationOptions, StepResult
from generation.beam_sequence import BeamSequence
from generation.detokenizer import Detokenizer
from generation.draft_length import Speculation
from generation.request import Request
from generation.scheduler import Scheduler
from generation.sequence import Sequence
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, models

SLOTS = 5
VOCABULARY = 30
TOKENIZER = Tokenizer(models.BPE())

requests = st.tuples(st.integers(1, SLOTS), st.integers(1, 8))


def request(beams: int, answer_tokens: int = 2) -> Request:
    kind = Sequence if beams == 1 else BeamSequence
    options = GenerationOptions(max_tokens=answer_tokens, beams=beams)
    return kind([1, 1], options, AnswerCollector(), Detokenizer(TOKENIZER, frozenset()), frozenset())


def scheduler_of(*waiting: Request) -> Scheduler:
    scheduler = Scheduler(SLOTS, 8, 8, Speculation(0))
    for each in waiting:
        scheduler.add(each)
    return scheduler


def admit(scheduler: Scheduler) -> list[Request]:
    """Give slots to who can have them; who that was."""
    admitted = []
    while started := scheduler.admit(lambda free, prompt_ids: free[-1]):
        started.begin((0,), past=0)
        admitted.append(started)
    return admitted


def step(scheduler: Scheduler) -> None:
    """One step of a model that likes each token a little less than the one before it."""
    for each in scheduler.plan():
        scores = np.tile(-np.arange(VOCABULARY, dtype=np.float32), (each.outputs, 1))
        delta = each.request.advance(each.drafts, StepResult.of(scores, logits=True))
        if delta is not None and delta.finish_reason:
            scheduler.remove(each.request)


@given(arrivals=st.lists(st.lists(requests, max_size=4), max_size=12), data=st.data())
def test_slots_are_given_in_order_of_arrival_and_everybody_gets_them(
    arrivals: list[list[tuple[int, int]]], data: st.DataObject
) -> None:
    scheduler, order, served, gone = scheduler_of(), [], [], set()
    queue = deque(arrivals)
    while queue or scheduler.running or scheduler.waiting:
        for each in [request(*asked) for asked in (queue.popleft() if queue else ())]:
            scheduler.add(each)
            order.append(each)
        for each in list(scheduler):
            if data.draw(st.integers(0, 15)) == 0:  # some lose patience, waiting or running
                scheduler.remove(each)
                gone.add(each)
        served += admit(scheduler)
        running = list(scheduler)[: scheduler.running]
        taken = [slot for each in running for slot in each.slots]
        assert len(set(taken)) == len(taken) == sum(each.slots_needed for each in running) <= SLOTS
        assert scheduler.waiting == 0 or list(scheduler)[len(running)].slots_needed > SLOTS - len(taken)
        step(scheduler)
    assert served == [each for each in order if each in served]
    assert {*served, *gone} == {*order}


def test_each_beam_brings_a_row_from_a_slot_of_its_own() -> None:
    searching = request(3, answer_tokens=6)
    scheduler = scheduler_of(searching, request(1, answer_tokens=6))
    admit(scheduler)
    (first, _) = scheduler.plan()
    assert [share.slot for share in first.rows] == [searching.slots[0]]
    step(scheduler)
    second = next(each for each in scheduler.plan() if each.request is searching)
    assert sorted(share.slot for share in second.rows) == sorted(searching.slots)
    assert {copy.source for copy in second.copies} == {searching.slots[0]}
    assert [len(share.token_ids) for share in second.rows] == [1, 1, 1]
    assert [share.past for share in second.rows] == [1, 1, 1]
