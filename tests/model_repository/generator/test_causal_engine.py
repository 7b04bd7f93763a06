"""The engine over a causal model as it is exported: an answer depends on its prompt alone."""

from collections.abc import Callable

import pytest
from generation import Engine, ServingSettings
from generation.causal import CausalAdapter
from generation.draft_length import Speculation
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from model_repository.generator.conftest import CAPACITY, random_prompt, run_until_idle
from model_repository.generator.small_llama import small_llama
from tokenizers import Tokenizer
from triton_rag_export.graph.causal import CausalExport, write_causal
from triton_rag_export.graph.llama import read_llama

SLOTS = 4


@pytest.fixture(scope="module", params=["fp32", "int8"])
def load(
    request: pytest.FixtureRequest, tokenizer: Tokenizer, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[], CausalAdapter]:
    folder = tmp_path_factory.mktemp(request.param)
    write_causal(
        read_llama(small_llama(tokenizer.get_vocab_size(), CAPACITY), CAPACITY),
        CausalExport(request.param, CAPACITY),
        frozenset({1, 2}),
        folder,
    )
    return lambda: CausalAdapter.load(folder, slots=SLOTS, capacity=CAPACITY, threads=1, max_rows_a_step=32)


def engine_over(load, tokenizer, **limits) -> Engine:
    served = {"slots": SLOTS, "context_tokens": CAPACITY, "max_tokens": 32, "default_max_tokens": 16}
    return Engine(load(), tokenizer, ServingSettings(**(served | {"prefill_chunk": 16} | limits)))


def test_the_engine_answers_alike_whatever_else_runs(load, tokenizer, submit):
    def answers(prompts: list[int]) -> list[str]:
        engine = engine_over(load, tokenizer)
        collected = [submit(engine, length) for length in prompts]
        run_until_idle(engine)
        return [collector.answer().text for collector in collected]

    lengths = [1, 2, 17, 33, 40, 64]
    assert answers(lengths) == [answers([length])[0] for length in lengths]


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_an_answer_is_the_same_whatever_is_guessed_reused_or_running_beside_it(load, tokenizer, submit, data):
    def run(engine: Engine, order: list[int]) -> dict[int, str]:
        collected = {}
        for number in order:
            collected[number] = submit(engine, prompts[number], max_tokens=24)
            for _ in range(data.draw(st.integers(0, 3), label="steps before the next arrives")):
                engine.run_step()
        run_until_idle(engine)
        return {number: collector.answer().text for number, collector in collected.items()}

    head = random_prompt(18)
    phrases = [random_prompt(length) for length in (3, 4, 5, 7, 9, 11)]
    prompts = [head + phrase * 3 for phrase in phrases]  # repetition is what guesses are made from
    plain = engine_over(load, tokenizer, max_draft_tokens=0)
    expected = {}
    for number in range(len(prompts)):
        expected |= run(plain, [number])
    engine = engine_over(
        load,
        tokenizer,
        max_draft_tokens=data.draw(st.integers(1, 8)),
        prefill_chunk=data.draw(st.integers(1, 40)),
    )
    engine._speculation = engine._scheduler._speculation = EagerSpeculation(8)

    assert run(engine, data.draw(st.permutations(range(len(prompts))))) == expected
    assert engine.counters.drafted_tokens > 0
    assert engine.counters.reused_tokens > 0


class EagerSpeculation(Speculation):
    """Sends every guess, so that answers do not depend on how long a step takes here."""

    def drafts(self, sequences, rows):
        return [sequence.draft(self._longest) for sequence in sequences]
