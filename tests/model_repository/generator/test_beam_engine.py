"""Beam search through the engine, token for token as transformers searches, alone and in company."""

from collections.abc import Callable

import pytest
import torch
from export.graph.tiny_encoder_decoder_models import (
    END,
    described,
    forcing_first_word,
    random_tokens,
    tiny_bart,
    tiny_flan,
)
from generation import (
    AnswerCollector,
    CancelledError,
    DeadlineError,
    Delta,
    Engine,
    EngineClosedError,
    GenerationOptions,
    OptionError,
    ServingSettings,
    StepError,
)
from generation.loading import load_adapter
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from model_repository.generator.conftest import random_prompt, run_until_idle
from triton_rag_export.graph.encoder_decoder import write_encoder_decoder

MODELS = {"t5": tiny_flan, "bart": lambda: forcing_first_word(tiny_bart(), 11)}
LENGTHS = (1, 5, 30, 64)
SLOTS = 5
TOKENS = 12
WRITTEN = [("fp32", "fp32"), ("int8", "fp32"), ("int8", "fp16")]  # precision and cache


@pytest.fixture(scope="module", params=MODELS)
def model(request):
    model = MODELS[request.param]()
    model.generation_config.forced_eos_token_id = None  # of BART; the engine never forces an end
    return model


@pytest.fixture(scope="module")
def make(model, tokenizer, tmp_path_factory) -> Callable[..., Engine]:
    folders = {}
    for written in WRITTEN:
        precision, cache = written
        folders[written] = tmp_path_factory.mktemp(precision)
        write_encoder_decoder(described(model), precision, frozenset({END}), folders[written], cache)

    def make(
        written: tuple[str, str] = ("fp32", "fp32"),
        clock: Callable[[], float] = lambda: 0.0,
        **changed: int,
    ) -> Engine:
        limits = {"slots": SLOTS, "context_tokens": 64, "max_tokens": 16, "default_max_tokens": 16}
        served = ServingSettings(**(limits | {"threads": 1} | changed))
        return Engine(load_adapter(folders[written], served), tokenizer, served, clock)

    return make


@pytest.fixture(scope="module")
def stop_tokens(model) -> frozenset[int]:
    """Tokens by which many beams end, but not at once: those at the fifth place of some answers."""
    return frozenset(reference(model, length, num_beams=2)[4] for length in LENGTHS)


@pytest.fixture
def submit_source() -> Callable[..., AnswerCollector]:
    def submit_source(
        engine: Engine, length: int, timeout_s: float | None = None, **options: object
    ) -> AnswerCollector:
        collector = AnswerCollector()
        asked = GenerationOptions(**({"max_tokens": TOKENS} | options))
        engine.submit(random_tokens(length, seed=length), asked, collector, timeout_s)
        return collector

    return submit_source


def reference(model, length: int, ends: frozenset[int] = frozenset(), **options: float) -> list[int]:
    """The answer of transformers to a random source, without start and end tokens."""
    ends = ends | {END}
    forced = len(described(model).start_token_ids) - 1  # what is forced counts as new in transformers
    for name, default in (("max_new_tokens", TOKENS), ("min_new_tokens", None)):
        if (tokens := options.pop(name, default)) is not None:
            options[name] = tokens + forced
    with torch.inference_mode():
        source = torch.tensor([random_tokens(length, seed=length)])
        ids = model.generate(source, do_sample=False, eos_token_id=sorted(ends), **options)[0].tolist()
    answer = ids[1 + forced :]
    return answer[:-1] if answer[-1] in ends else answer


@pytest.mark.parametrize(
    ("beams", "length_penalty"), [(2, -1.0), (2, 1.0), (3, 0.0), (4, 1.0), (4, 2.5), (5, 0.6), (5, -1.0)]
)
def test_answers_are_those_of_transformers(
    model, make, submit_source, stop_tokens, tokenizer, beams, length_penalty
):
    engine = make()
    for ends in (frozenset(), stop_tokens):
        asked = {"beams": beams, "length_penalty": length_penalty, "stop_tokens": ends}
        together = [submit_source(engine, length, **asked) for length in LENGTHS]
        run_until_idle(engine)
        for length, collector in zip(LENGTHS, together, strict=True):
            expected = reference(model, length, ends, num_beams=beams, length_penalty=length_penalty)
            assert collector.answer().text == tokenizer.decode(expected)
            assert collector.answer().answer_tokens == len(expected)


@pytest.mark.parametrize(
    ("min_tokens", "penalty"), [(1, 0.6), (6, 1.0), (6, 1.5), (TOKENS, 1.0), (TOKENS, 1.5)]
)
def test_fewest_tokens_and_the_penalty_on_repetition_are_those_of_transformers(
    model, make, submit_source, stop_tokens, tokenizer, min_tokens, penalty
):
    engine = make()
    asked = {"beams": 3, "min_tokens": min_tokens, "repetition_penalty": penalty, "stop_tokens": stop_tokens}
    together = [submit_source(engine, length, **asked) for length in LENGTHS]
    run_until_idle(engine)
    for length, collector in zip(LENGTHS, together, strict=True):
        same = {"min_new_tokens": min_tokens, "repetition_penalty": penalty}
        expected = reference(model, length, stop_tokens, num_beams=3, **same)
        assert collector.answer().text == tokenizer.decode(expected)
        assert collector.answer().answer_tokens == len(expected) >= min_tokens


def test_a_search_finds_another_answer_than_the_greedy_one(make, submit_source):
    engine = make()
    plain = [submit_source(engine, length) for length in LENGTHS]
    searched = [submit_source(engine, length, beams=5) for length in LENGTHS]
    run_until_idle(engine)
    assert [each.answer().text for each in searched] != [each.answer().text for each in plain]


@pytest.mark.parametrize("written", WRITTEN, ids="-".join)
def test_an_answer_is_the_same_alone_and_in_any_company(make, submit_source, written):
    alone: dict[tuple[int, int], str] = {}
    engines = [make(written), make(written, max_draft_tokens=0, prefill_chunk=1)]
    requests = st.tuples(st.sampled_from(LENGTHS), st.integers(1, SLOTS))

    def expected(length: int, beams: int) -> str:
        if (length, beams) not in alone:
            collector = submit_source(engines[0], length, beams=beams)
            run_until_idle(engines[0])
            alone[length, beams] = collector.answer().text
        return alone[length, beams]

    @settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
    @given(arrivals=st.lists(st.lists(requests, max_size=3), min_size=1, max_size=6), which=st.booleans())
    def check(arrivals: list[list[tuple[int, int]]], which: bool) -> None:
        together = []
        for arrived in arrivals:  # some come, and a step later others
            together += [(each, submit_source(engines[which], each[0], beams=each[1])) for each in arrived]
            engines[which].run_step()
        run_until_idle(engines[which])
        for each, collector in together:
            assert collector.answer().text == expected(*each)

    check()


def test_the_whole_answer_is_one_piece_and_its_sink_hears_of_it_before(make, submit_source):
    engine = make()
    collector = submit_source(engine, 30, beams=3, min_tokens=TOKENS)
    run_until_idle(engine)
    *before, last = collector.deltas
    silent = Delta("", "", prompt_tokens=30, answer_tokens=0)
    assert before == [silent] * len(before)
    assert len(before) == 2 + (TOKENS - 1) // 4  # taken, has its slots, and then at every fourth silent step
    assert last.text
    assert (last.finish_reason, last.answer_tokens) == ("length", TOKENS)
    counted = engine.counters
    assert (counted.answer_tokens, counted.accepted_tokens, counted.first_tokens) == (TOKENS, 0, 1)
    assert counted.later_tokens == 0


def test_who_cancels_frees_all_slots_within_one_step(make, submit_source):
    engine = make()
    leaving, waiting = submit_source(engine, 30, beams=4), submit_source(engine, 5, beams=5)
    for _ in range(3):
        engine.run_step()
    leaving.cancel()
    engine.run_step()
    assert isinstance(leaving.error, CancelledError)
    assert engine.running == engine.in_flight == 1
    run_until_idle(engine)
    alone = submit_source(engine, 5, beams=5)
    run_until_idle(engine)
    assert waiting.answer() == alone.answer()


def test_a_search_out_of_time_frees_all_slots_within_one_step(make, submit_source):
    now_s = [0.0]
    engine = make(clock=lambda: now_s[0])
    late, waiting = submit_source(engine, 30, timeout_s=2.0, beams=4), submit_source(engine, 5, beams=5)
    for _ in range(3):
        engine.run_step()
    now_s[0] = 2.0
    engine.run_step()
    assert isinstance(late.error, DeadlineError)
    assert engine.running == 1
    run_until_idle(engine)
    assert waiting.answer().text


@pytest.mark.parametrize("part", ["step", "copy_prefix", "start"])
def test_a_failure_frees_all_slots_and_the_engine_goes_on(make, submit_source, monkeypatch, part):
    engine = make()
    expected = submit_source(engine, 5, beams=5)
    run_until_idle(engine)

    def fails(*_: object, **__: object) -> None:
        raise RuntimeError("out of memory")

    failing = submit_source(engine, 30, beams=4)
    with monkeypatch.context() as patch:
        patch.setattr(engine._adapter, part, fails)
        for _ in range(3):
            engine.run_step()
    assert isinstance(failing.error, StepError)
    assert "RuntimeError: out of memory" in str(failing.error)
    assert engine.in_flight == 0
    again = submit_source(engine, 5, beams=5)
    run_until_idle(engine)
    assert again.answer() == expected.answer()


def test_scores_that_are_no_numbers_end_the_search(make, submit_source, monkeypatch):
    engine = make()
    spoiled = submit_source(engine, 30, beams=4)
    engine.run_step()
    step = engine._adapter.step

    def without_numbers(*rows: object, **asked: bool) -> object:
        result = step(*rows, **asked)
        result.best_scores[-1] = float("nan")
        return result

    monkeypatch.setattr(engine._adapter, "step", without_numbers)
    engine.run_step()
    with pytest.raises(StepError, match="the model's scores are no numbers"):
        spoiled.answer()
    assert engine.in_flight == 0


def test_closing_ends_a_search(make, submit_source):
    engine = make()
    running = submit_source(engine, 30, beams=3)
    engine.run_step()
    engine.run_step()
    engine.close()
    assert isinstance(running.error, EngineClosedError)


def test_more_beams_than_slots_are_refused(make, submit_source):
    with pytest.raises(OptionError, match="BEAMS is 4; allowed: a whole number from 1 to 3, the generator's"):
        submit_source(make(slots=3), 5, beams=4)


def test_beams_of_a_causal_model_are_refused(engine: Engine):
    with pytest.raises(OptionError, match="BEAMS is 2; allowed: 1 with a causal model"):
        engine.submit(random_prompt(5), GenerationOptions(8, beams=2), AnswerCollector())
    assert engine.in_flight == 0
