"""The engine step by step, without its thread: who runs, who waits, who leaves."""

from collections.abc import Callable

import pytest
import torch
from generation import (
    AnswerCollector,
    CancelledError,
    Delta,
    Engine,
    EngineClosedError,
    GenerationOptions,
    PromptError,
    QueueFullError,
    ServingSettings,
    SettingsError,
    SlotRows,
    StepError,
)
from model_repository.generator.conftest import CAPACITY, random_prompt, run_until_idle
from model_repository.generator.torch_adapter import TorchAdapter
from tokenizers import Tokenizer
from transformers import LlamaForCausalLM

Submit = Callable[..., AnswerCollector]
LENGTHS = [1, 2, 5, 16, 17, 31, 40, 63]


def transformers_tokens(llama: LlamaForCausalLM, prompt: list[int], count: int) -> list[int]:
    ids = torch.tensor([prompt])
    output = llama.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=count, do_sample=False)
    return output[0, len(prompt) :].tolist()


def test_eight_together_answer_as_each_alone_and_as_transformers(
    engine: Engine, submit: Submit, llama: LlamaForCausalLM, tokenizer: Tokenizer
) -> None:
    together = [submit(engine, length, max_tokens=20) for length in LENGTHS]
    run_until_idle(engine)
    for length, collector in zip(LENGTHS, together, strict=True):
        alone = submit(engine, length, max_tokens=20)
        run_until_idle(engine)
        assert collector.answer() == alone.answer()
        expected = transformers_tokens(llama, random_prompt(length), 20)
        assert alone.answer().text == tokenizer.decode(expected)


def test_the_first_delta_says_that_the_request_is_taken_and_the_last_one_why_it_ended(
    engine: Engine, submit: Submit
) -> None:
    collector = submit(engine, 9, max_tokens=6)
    run_until_idle(engine)
    assert collector.deltas[0] == Delta("", "", prompt_tokens=9, answer_tokens=0)
    assert [delta.finish_reason for delta in collector.deltas[:-1]] == [""] * (len(collector.deltas) - 1)
    assert collector.deltas[-1].finish_reason == "length"
    assert collector.deltas[-1].answer_tokens == 6


def test_a_waiting_request_is_taken_before_it_has_a_slot(
    make_engine: Callable[..., Engine], submit: Submit
) -> None:
    engine = make_engine(slots=1)
    submit(engine, 9)
    waiting = submit(engine, 9)
    engine.run_step()
    assert [delta.prompt_tokens for delta in waiting.deltas] == [9]


def test_an_end_token_ends_the_answer_and_is_not_counted(
    engine: Engine, adapter: TorchAdapter, submit: Submit, llama: LlamaForCausalLM
) -> None:
    collector = submit(engine, 9)
    run_until_idle(engine)
    tokens = transformers_tokens(llama, random_prompt(9), 12)
    third = tokens[2]
    before = tokens.index(third)
    adapter.end_token_ids = frozenset({third})
    ended = submit(engine, 9)
    run_until_idle(engine)
    assert ended.answer().finish_reason == "stop"
    assert ended.answer().answer_tokens == before
    assert collector.answer().text.startswith(ended.answer().text)


def test_a_stop_string_ends_the_answer_before_it(engine: Engine, submit: Submit) -> None:
    whole = submit(engine, 12, max_tokens=30)
    run_until_idle(engine)
    text = whole.answer().text
    stop = text[len(text) // 2 :][:3]
    ended = submit(engine, 12, max_tokens=30, stop=(stop,))
    run_until_idle(engine)
    assert ended.answer().finish_reason == "stop"
    assert ended.answer().text == text[: text.index(stop)]


def test_who_cancels_frees_the_slot_within_one_step(
    make_engine: Callable[..., Engine], adapter: TorchAdapter, submit: Submit
) -> None:
    engine = make_engine(slots=1)
    leaving, waiting = submit(engine, 5), submit(engine, 6)
    engine.run_step()
    leaving.cancel()
    engine.run_step()
    assert isinstance(leaving.error, CancelledError)
    assert adapter.steps[-1] == [SlotRows(slot=0, token_ids=tuple(random_prompt(6)), past=0, outputs=1)]
    assert not waiting.has_ended
    assert engine.running == engine.in_flight == 1


def test_who_cancels_in_the_middle_of_a_long_prompt_frees_the_slot(engine: Engine, submit: Submit) -> None:
    leaving = submit(engine, 60)
    engine.run_step()
    leaving.cancel()
    assert not engine.run_step()
    assert engine.in_flight == 0


def test_who_cancels_while_waiting_never_takes_a_slot(
    make_engine: Callable[..., Engine], submit: Submit
) -> None:
    engine = make_engine(slots=1)
    submit(engine, 5)
    leaving, last = submit(engine, 5), submit(engine, 5)
    leaving.cancel()
    run_until_idle(engine)
    assert isinstance(leaving.error, CancelledError)
    assert last.answer().answer_tokens == 12


def test_a_full_queue_refuses_at_once_and_hurts_nobody_in_it(
    make_engine: Callable[..., Engine], submit: Submit
) -> None:
    engine = make_engine(slots=2, max_queue=3)
    taken = [submit(engine, 5) for _ in range(5)]
    with pytest.raises(QueueFullError, match="5 requests run or wait; allowed: 2 run and 3 wait"):
        submit(engine, 5)
    run_until_idle(engine)
    assert all(collector.answer().answer_tokens == 12 for collector in taken)
    submit(engine, 5)


@pytest.mark.parametrize(
    ("prompt", "max_tokens", "words"),
    [
        ([], 5, "PROMPT_IDS is empty"),
        ([3, -1], 5, "PROMPT_IDS holds -1; allowed: token ids from 0 to "),
        ([3, 10_000], 5, "PROMPT_IDS holds 10000"),
        (
            [3] * 90,
            7,
            f"PROMPT_IDS has 90 tokens and MAX_TOKENS is 7, together 97; allowed: {CAPACITY} together",
        ),
    ],
)
def test_a_prompt_that_can_never_be_continued_is_refused_at_once(
    engine: Engine, submit: Submit, prompt: list[int], max_tokens: int, words: str
) -> None:
    with pytest.raises(PromptError, match=words):
        submit(engine, prompt, max_tokens=max_tokens)
    assert engine.in_flight == 0


def test_a_prompt_that_just_fits_is_answered(engine: Engine, submit: Submit) -> None:
    collector = submit(engine, CAPACITY - 10, max_tokens=10)
    run_until_idle(engine)
    assert collector.answer().answer_tokens == 10


def test_a_long_prompt_holds_running_answers_up_by_no_more_than_a_chunk(
    engine: Engine, adapter: TorchAdapter, submit: Submit
) -> None:
    submit(engine, 4, max_tokens=64)
    engine.run_step()
    submit(engine, 80)
    for _ in range(5):
        engine.run_step()
        chunk, answer = adapter.steps[-1]
        assert (chunk.slot, answer.slot) == (1, 0)
        assert len(chunk.token_ids) == 16
        assert answer.outputs >= 1
    assert chunk.outputs == 1


def test_a_failed_step_fails_its_requests_with_the_reason_and_the_engine_goes_on(
    make_engine: Callable[..., Engine], adapter: TorchAdapter, submit: Submit
) -> None:
    engine = make_engine(slots=2)
    in_step = [submit(engine, 5), submit(engine, 6)]
    waiting = submit(engine, 7)
    adapter.failure = RuntimeError("out of memory")
    engine.run_step()
    for collector in in_step:
        with pytest.raises(StepError, match=r"RuntimeError: out of memory"):
            collector.answer()
    run_until_idle(engine)
    alone = submit(engine, 7)
    run_until_idle(engine)
    assert waiting.answer() == alone.answer()


@pytest.mark.parametrize("broken", ["send", "fail", "is_cancelled"])
def test_a_sink_that_raises_loses_only_its_own_answer(engine: Engine, submit: Submit, broken: str) -> None:
    class BrokenSink(AnswerCollector):
        def raise_error(self, *_: object) -> bool:
            raise ConnectionResetError("gone")

        send = raise_error if broken in ("send", "fail") else AnswerCollector.send
        fail = raise_error if broken == "fail" else AnswerCollector.fail
        is_cancelled = raise_error if broken == "is_cancelled" else AnswerCollector.is_cancelled

    expected = submit(engine, 11)
    run_until_idle(engine)
    neighbour = submit(engine, 11)
    engine.submit(random_prompt(12), GenerationOptions(max_tokens=12), BrokenSink())
    run_until_idle(engine)
    assert neighbour.answer() == expected.answer()
    assert engine.in_flight == 0


def test_the_same_seed_gives_the_same_answer_whatever_else_runs(engine: Engine, submit: Submit) -> None:
    drawn = {"temperature": 1.2, "top_k": 50, "top_p": 0.95, "max_tokens": 20}
    alone = submit(engine, 15, seed=4, **drawn)
    run_until_idle(engine)
    crowd = [submit(engine, length, seed=length, **drawn) for length in LENGTHS[:6]]
    engine.run_step()
    again, other = submit(engine, 15, seed=4, **drawn), submit(engine, 15, seed=5, **drawn)
    run_until_idle(engine)
    assert again.answer() == alone.answer()
    assert other.answer().text != alone.answer().text
    assert all(collector.has_ended for collector in crowd)


def test_scores_are_asked_for_only_while_someone_draws(
    engine: Engine, adapter: TorchAdapter, submit: Submit
) -> None:
    submit(engine, 4, max_tokens=16)
    drawing = submit(engine, 30, max_tokens=2, temperature=1.0)
    run_until_idle(engine)
    # The second prompt takes three chunks; its two tokens are drawn in the third step and the fourth.
    assert drawing.answer().answer_tokens == 2
    assert adapter.logits_asked[:4] == [False, False, True, True]
    assert not any(adapter.logits_asked[4:])


def test_scores_that_are_no_numbers_fail_their_request_and_no_other(
    make_engine: Callable[..., Engine], adapter: TorchAdapter, submit: Submit
) -> None:
    engine = make_engine(max_draft_tokens=0)
    spoiled, sound, drawing = submit(engine, 5), submit(engine, 6), submit(engine, 7, temperature=1.0, seed=1)
    adapter.spoiled_slots = {0, 2}
    run_until_idle(engine)
    for collector in (spoiled, drawing):
        assert isinstance(collector.error, StepError)
        assert "no numbers" in str(collector.error)
    assert sound.answer().answer_tokens == 12


def test_closing_fails_what_is_left_and_takes_no_more(engine: Engine, submit: Submit) -> None:
    running = submit(engine, 5)
    engine.run_step()
    arrived = submit(engine, 5)
    engine.close()
    for collector in (running, arrived):
        assert isinstance(collector.error, EngineClosedError)
    with pytest.raises(EngineClosedError):
        submit(engine, 5)


def test_settings_that_do_not_fit_the_model_are_refused(adapter: TorchAdapter, tokenizer: Tokenizer) -> None:
    settings = ServingSettings(slots=8, context_tokens=CAPACITY + 1, max_tokens=32, default_max_tokens=16)
    with pytest.raises(
        SettingsError, match=f"8 slots of {CAPACITY} tokens; needed: 8 slots of {CAPACITY + 1}"
    ):
        Engine(adapter, tokenizer, settings)
