"""What a cache holds of a prompt is not read again."""

from collections.abc import Callable

from generation import AnswerCollector, Engine
from generation.prefix import PrefixReuse
from model_repository.generator.conftest import random_prompt, run_until_idle
from model_repository.generator.torch_adapter import TorchAdapter

Submit = Callable[..., AnswerCollector]
HEAD = random_prompt(30)


def test_a_second_prompt_is_read_from_where_it_differs(
    engine: Engine, adapter: TorchAdapter, submit: Submit
) -> None:
    submit(engine, [*HEAD, 5, 6, 7])
    run_until_idle(engine)
    already = len(adapter.steps)
    second = submit(engine, [*HEAD, 8, 9, 10])
    engine.run_step()
    (rows,) = adapter.steps[already]
    assert (rows.past, rows.token_ids) == (30, (8, 9, 10))
    assert engine.counters.reused_tokens == 30
    run_until_idle(engine)
    assert second.answer().prompt_tokens == 33


def test_the_same_prompt_again_leaves_one_token_to_read(
    engine: Engine, adapter: TorchAdapter, submit: Submit
) -> None:
    answers = []
    for _ in range(2):
        collector = submit(engine, HEAD)
        run_until_idle(engine)
        answers.append(collector.answer())
    assert answers[0] == answers[1]
    assert engine.counters.reused_tokens == 29


def test_a_neighbour_copies_the_beginning_from_a_slot_that_is_busy(
    engine: Engine, adapter: TorchAdapter, submit: Submit
) -> None:
    submit(engine, [*HEAD, 5, 6, 7], max_tokens=40)
    for _ in range(4):
        engine.run_step()
    beside = submit(engine, [*HEAD, 8, 9, 10])
    run_until_idle(engine)
    assert engine.counters.reused_tokens == 30
    alone = submit(engine, [*HEAD, 8, 9, 10])
    run_until_idle(engine)
    assert beside.answer() == alone.answer()


def test_a_failed_step_leaves_nothing_to_reuse(engine: Engine, adapter: TorchAdapter, submit: Submit) -> None:
    submit(engine, HEAD)
    run_until_idle(engine)
    failing = submit(engine, HEAD)
    adapter.failure = RuntimeError("out of memory")
    engine.run_step()
    assert failing.error is not None
    reused = engine.counters.reused_tokens
    submit(engine, HEAD)
    run_until_idle(engine)
    assert engine.counters.reused_tokens == reused


def test_behind_an_encoder_nothing_is_shared(adapter: TorchAdapter) -> None:
    adapter.source_capacity = 64
    prefixes = PrefixReuse(adapter)
    prefixes.remember(0, HEAD)
    assert prefixes.reuse(0, HEAD) == 0
    assert prefixes.choose([0, 1, 2], HEAD) == 0
