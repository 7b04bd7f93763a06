"""The engine over an encoder-decoder model: sources are read one a step, answers are written together."""

from collections.abc import Callable

import pytest
from export.graph.tiny_encoder_decoder_models import (
    END,
    described,
    forcing_first_word,
    random_tokens,
    reference_answer,
    tiny_bart,
    tiny_flan,
)
from generation import Engine, PromptError, ServingSettings
from generation.loading import load_adapter
from model_repository.generator.conftest import run_until_idle
from triton_rag_export.graph.encoder_decoder import write_encoder_decoder

MODELS = {"t5": tiny_flan, "bart": lambda: forcing_first_word(tiny_bart(), 11)}
LENGTHS = (1, 5, 12, 30, 47, 64)


@pytest.fixture(scope="module", params=MODELS)
def name(request) -> str:
    return request.param


@pytest.fixture(scope="module")
def make(name, tokenizer, tmp_path_factory) -> Callable[..., Engine]:
    def make(precision: str = "fp32", **settings: object) -> Engine:
        folder = tmp_path_factory.mktemp(f"{name}-{precision}")
        write_encoder_decoder(described(MODELS[name]()), precision, frozenset({END}), folder)
        limits = {"slots": 3, "context_tokens": 64, "max_tokens": 16, "default_max_tokens": 16, "threads": 1}
        served = ServingSettings(**(limits | settings))
        return Engine(load_adapter(folder, served), tokenizer, served)

    return make


def answers(engine: Engine, submit, lengths: tuple[int, ...], **options: object) -> list[str]:
    asked = {"max_tokens": 16} | options
    collected = [submit(engine, random_tokens(length, seed=length), **asked) for length in lengths]
    run_until_idle(engine)
    return [collector.answer().text for collector in collected]


def test_answers_are_those_of_transformers(name, make, tokenizer, submit):
    model = MODELS[name]()
    expected = [reference_answer(model, random_tokens(length, seed=length), 16) for length in LENGTHS]

    given = answers(make(), submit, LENGTHS)

    assert given == [tokenizer.decode(ids) for ids in expected]
    assert len(set(given)) > 1


@pytest.mark.parametrize("penalty", [0.7, 1.3, 4.0])
def test_repetition_is_penalized_in_the_answer_as_transformers_does(name, penalty, make, tokenizer, submit):
    model = MODELS[name]()
    penalized = {"repetition_penalty": penalty}
    expected = [reference_answer(model, random_tokens(n, seed=n), 16, **penalized) for n in LENGTHS]

    given = answers(make(), submit, LENGTHS, **penalized)

    assert given == [tokenizer.decode(ids) for ids in expected]
    assert given != answers(make(), submit, LENGTHS)


@pytest.mark.parametrize("precision", ["fp32", "int8"])
@pytest.mark.parametrize("max_draft_tokens", [0, 8])
def test_an_answer_is_the_same_alone_and_in_any_company(precision, max_draft_tokens, make, submit):
    alone = make(precision, max_draft_tokens=0)
    expected = [answers(alone, submit, (length,))[0] for length in LENGTHS]

    together = make(precision, max_draft_tokens=max_draft_tokens)

    assert answers(together, submit, LENGTHS) == expected
    assert answers(together, submit, LENGTHS[::-1]) == expected[::-1]


def test_one_source_is_read_a_step(make, submit):
    engine = make()
    for length in (40, 41, 42):
        submit(engine, random_tokens(length), max_tokens=16)

    running = []
    for _ in range(3):
        engine.run_step()
        running.append(engine.running)

    assert running == [1, 2, 3]


def test_prompts_that_can_never_fit_are_refused_with_the_numbers(make, submit):
    engine = make()
    with pytest.raises(PromptError, match="PROMPT_IDS has 65 tokens; allowed: 64"):
        submit(engine, random_tokens(65))
