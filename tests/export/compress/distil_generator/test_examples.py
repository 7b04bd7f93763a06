"""Texts become examples through the frame that serves; what cannot be learned is counted, not learned."""

from typing import Any

import pytest
from prompting import PromptPassage
from tiny_encoders import byte_tokenizer
from transformers import PreTrainedTokenizerFast
from triton_rag_export.compress.distil_generator.examples import TextTokenizer, TrainingText
from triton_rag_export.recipe import GeneratorRecipe

END = 2
RECIPE = GeneratorRecipe(
    system="", instruction="P {passages} Q {question}", plain_template="{content} A:", context_tokens=128
)


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return PreTrainedTokenizerFast(tokenizer_object=byte_tokenizer(), bos_token="<s>", eos_token="</s>")


def text_tokenizer(tokenizer: Any, **settings: Any) -> TextTokenizer:
    defaults = {"is_encoder_decoder": False, "max_tokens": 64, "answer_tokens": 10, "end_token_id": END}
    return TextTokenizer(tokenizer, RECIPE, **(defaults | settings))


def words(tokenizer: Any, ids: tuple[int, ...]) -> str:
    return str(tokenizer.decode(ids, skip_special_tokens=False))


def test_a_question_is_asked_as_it_will_be_served(tokenizer) -> None:
    passages = (PromptPassage("Title", "Some text."), PromptPassage("", "More."))
    text = TrainingText("yes", question="Why?", passages=passages)
    (example,) = text_tokenizer(tokenizer).examples([text]).items
    assert words(tokenizer, example.prompt) == "<s>P [1] Title\nSome text.\n\n[2] More. Q Why? A:</s>"
    assert words(tokenizer, example.answer) == "yes</s>"


def test_a_prompt_is_not_asked_again_in_other_words(tokenizer) -> None:
    (example,) = text_tokenizer(tokenizer).examples([TrainingText("ab", prompt="say {question}")]).items
    assert words(tokenizer, example.prompt) == "<s>say {question} A:</s>"


def test_passages_that_do_not_fit_are_dropped_as_while_serving(tokenizer) -> None:
    passages = (PromptPassage("", "first"), PromptPassage("", "x" * 60))
    (example,) = (
        text_tokenizer(tokenizer).examples([TrainingText("a", question="Why?", passages=passages)]).items
    )
    assert words(tokenizer, example.prompt) == "<s>P [1] first Q Why? A:</s>"


def test_a_long_answer_is_cut_and_does_not_end(tokenizer) -> None:
    found = text_tokenizer(tokenizer).examples([TrainingText("a" * 30, prompt="p")])
    assert found.cut == 1
    assert words(tokenizer, found.items[0].answer) == "a" * 10


def test_what_cannot_be_learned_is_skipped_and_counted(tokenizer) -> None:
    texts = [
        TrainingText("answer", prompt="  "),
        TrainingText(" \n", prompt="prompt"),
        TrainingText(None, question="question?"),
        TrainingText("answer", prompt="x" * 500),
        TrainingText("  "),
        TrainingText("answer", prompt="good"),
    ]
    found = text_tokenizer(tokenizer).examples(texts)
    assert len(found.items) == 1
    assert found.skipped == {
        "an empty prompt": 1,
        "an empty answer": 2,
        "a prompt longer than max_tokens": 1,
        "an empty text": 1,
    }


def test_prompts_for_a_teacher_need_no_answers(tokenizer) -> None:
    texts = [TrainingText(None, prompt="p"), TrainingText("own", prompt="q"), TrainingText("a text alone")]
    found = text_tokenizer(tokenizer).examples(texts, without_answers=True)
    assert [example.answer for example in found.items] == [(), ()]
    assert sum(found.skipped.values()) == 1


def test_a_causal_model_learns_all_of_a_text_in_pieces(tokenizer) -> None:
    text = "".join(chr(97 + number % 26) for number in range(100))
    found = text_tokenizer(tokenizer).examples([TrainingText(text)]).items
    assert all(len(example.prompt) == 1 and len(example.answer) < 64 for example in found)
    assert "".join(words(tokenizer, e.prompt + e.answer) for e in found) == f"<s>{text}</s>"


def test_an_encoder_decoder_model_learns_a_texts_second_half_from_its_first(tokenizer) -> None:
    (example,) = text_tokenizer(tokenizer, is_encoder_decoder=True).examples([TrainingText("abcdefgh")]).items
    assert words(tokenizer, example.prompt) == "<s>abcd</s>"
    assert words(tokenizer, example.answer) == "<s>efgh</s>"


def test_the_pieces_of_a_long_text_fit(tokenizer) -> None:
    found = text_tokenizer(tokenizer, is_encoder_decoder=True).examples([TrainingText("ab cd " * 20)]).items
    assert len(found) > 2
    assert max(len(example.answer) for example in found) <= 10


def test_the_fingerprint_is_of_every_token(tokenizer) -> None:
    make = text_tokenizer(tokenizer).examples
    one = make([TrainingText("a", prompt="p"), TrainingText("b", prompt="q")])
    assert one.fingerprint == make([TrainingText("a", prompt="p"), TrainingText("b", prompt="q")]).fingerprint
    assert one.fingerprint != make([TrainingText("b", prompt="p"), TrainingText("a", prompt="q")]).fingerprint
    assert one.tokens == 4
