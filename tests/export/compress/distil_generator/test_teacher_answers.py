"""A teacher's answers are what transformers generates for each prompt alone, and are searched once."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from export.graph.tiny_causal_models import random_tokens, tiny_llama
from export.graph.tiny_encoder_decoder_models import END, tiny_bart, tiny_t5
from triton_rag_export.compress.distil_generator.examples import Example, Examples
from triton_rag_export.compress.distil_generator.teacher_answers import AnswerSearch, teacher_answers
from triton_rag_export.errors import BuildError

PROMPTS = Examples(
    tuple(Example(tuple(random_tokens(length, seed=length)), ()) for length in (4, 11, 7, 2, 9)), {}, 0
)


def answered(model: Any, path: Path, **settings: Any) -> Examples:
    search = {"pad_token_id": 0, "answer_tokens": 6, "beams": 1, "batch_size": 2} | settings
    teacher = search.pop("teacher", "t")
    return teacher_answers(model, PROMPTS, path, AnswerSearch(**search), teacher=teacher)


@pytest.mark.parametrize("make", [tiny_llama, tiny_t5, tiny_bart])
@pytest.mark.parametrize("beams", [1, 3])
def test_a_prompt_among_others_gets_the_answer_that_it_gets_alone(tmp_path: Path, make, beams: int) -> None:
    model = make()
    pad = model.config.pad_token_id
    found = answered(model, tmp_path / "answers.jsonl", beams=beams, pad_token_id=pad)
    for example in found.items:
        with torch.inference_mode():
            ids = model.generate(
                torch.tensor([example.prompt]), do_sample=False, num_beams=beams, max_new_tokens=6
            )[0].tolist()
        alone = ids[1 if model.config.is_encoder_decoder else len(example.prompt) :]
        assert list(example.answer) == (alone[: alone.index(END) + 1] if END in alone else alone)
    assert len(found.items) + sum(found.skipped.values()) == 5


def test_a_killed_search_goes_on_after_the_last_whole_line(tmp_path: Path) -> None:
    model, path = tiny_llama(), tmp_path / "answers.jsonl"
    expected = answered(model, path)
    whole = path.read_text(encoding="utf-8")
    lines = whole.splitlines(keepends=True)
    path.write_text("".join(lines[:3]) + lines[3][:4], encoding="utf-8")
    assert answered(model, path) == expected
    assert path.read_text(encoding="utf-8") == whole
    assert answered(None, path) == expected  # nobody is asked again


def test_answers_to_other_prompts_are_refused(tmp_path: Path) -> None:
    model, path = tiny_llama(), tmp_path / "answers.jsonl"
    answered(model, path)
    with pytest.raises(BuildError, match="answers of another teacher or to other prompts"):
        answered(model, path, teacher="u")
    path.write_text(json.dumps({}) + "\n{\n", encoding="utf-8")
    with pytest.raises(BuildError, match="damaged"):
        answered(model, path)
