"""Sequence-level distillation: the student learns the teacher's own answers (Kim and Rush, EMNLP 2016).

A teacher's most probable answers are easier to learn than those that people wrote: they are what one network
can say. They are searched once, greedily or by beams, and kept as JSON lines of token ids; a search that was
killed goes on after the last whole line.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from triton_rag_export.compress.distil_generator.examples import Examples
from triton_rag_export.errors import BuildError


@dataclass(frozen=True, slots=True)
class AnswerSearch:
    """How a teacher looks for its answers.

    Attributes:
        answer_tokens: the longest answer.
        beams: answers searched side by side; 1: greedily.
        batch_size: prompts answered together.
        pad_token_id: fills prompts that are answered together.
    """

    answer_tokens: int
    beams: int
    batch_size: int
    pad_token_id: int


def teacher_answers(
    model: Any, prompts: Examples, path: Path, search: AnswerSearch, *, teacher: str
) -> Examples:
    """The prompts, each with the answer that the teacher gives.

    Args:
        model: a transformers model in evaluation mode.
        prompts: examples whose own answers are not looked at.
        path: JSON lines; read if they are there, and written where they are not.
        search: how.
        teacher: SHA-256 over the teacher's weights, configuration and tokenizer.

    Returns:
        The examples, those left out to which the teacher answers nothing.

    Raises:
        BuildError: the file holds answers of another teacher, or to other prompts.
    """
    settings = {
        "teacher": teacher,
        "prompts": _prompts_hash(prompts),
        "tokens": search.answer_tokens,
        "beams": search.beams,
    }
    answers = _answers_there(path, settings)
    with path.open("a", encoding="utf-8") as file:
        while len(answers) < len(prompts.items):
            together = prompts.items[len(answers) : len(answers) + search.batch_size]
            found = _answer(model, [example.prompt for example in together], search)
            file.writelines(json.dumps(ids) + "\n" for ids in found)
            file.flush()
            answers += found
    pairs = zip(prompts.items, answers, strict=True)
    items = tuple(replace(example, answer=tuple(answer)) for example, answer in pairs if answer)
    skipped = dict(prompts.skipped)
    if silent := len(prompts.items) - len(items):
        skipped["a prompt to which the teacher answers nothing"] = silent
    return Examples(items, skipped, prompts.cut)


def _answers_there(path: Path, settings: dict[str, Any]) -> list[list[int]]:
    """Answers of an earlier search; what is after the last whole line is cut off."""
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True) if path.is_file() else []
    whole = [line for line in lines if line.endswith("\n")]
    if not whole:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(settings) + "\n", encoding="utf-8")
        return []
    try:
        held, answers = json.loads(whole[0]), [list(map(int, json.loads(line))) for line in whole[1:]]
    except (ValueError, TypeError) as error:
        raise BuildError(f"{path} is damaged ({error}); remove it, and the teacher answers again") from error
    if held != settings:
        raise BuildError(
            f"{path} holds answers of another teacher or to other prompts; name another folder, or remove it"
        )
    if len(whole) < len(lines):
        path.write_text("".join(whole), encoding="utf-8")
    return answers


def _answer(model: Any, prompts: Sequence[tuple[int, ...]], search: AnswerSearch) -> list[list[int]]:
    """Token ids of the answers, the end token included where one was given."""
    width = max(map(len, prompts))
    padding = [width - len(prompt) for prompt in prompts]
    is_encoder_decoder = model.config.is_encoder_decoder
    rows = [
        [*prompt, *[search.pad_token_id] * missing]
        if is_encoder_decoder
        else [*[search.pad_token_id] * missing, *prompt]
        for prompt, missing in zip(prompts, padding, strict=True)
    ]
    masks = [
        [1] * len(prompt) + [0] * missing if is_encoder_decoder else [0] * missing + [1] * len(prompt)
        for prompt, missing in zip(prompts, padding, strict=True)
    ]
    with torch.inference_mode():
        found = model.generate(
            torch.tensor(rows, device=model.device),
            attention_mask=torch.tensor(masks, device=model.device),
            do_sample=False,
            num_beams=search.beams,
            max_new_tokens=search.answer_tokens,
            pad_token_id=search.pad_token_id,
        )
    ends = model.generation_config.eos_token_id
    end_ids = set([ends] if isinstance(ends, int) else ends or [])
    start = 1 if is_encoder_decoder else width  # the decoder's start token, or the prompt
    return [_up_to_end(row[start:], end_ids, search.pad_token_id) for row in found.tolist()]


def _up_to_end(answer: list[int], end_ids: set[int], pad_token_id: int) -> list[int]:
    for place, token_id in enumerate(answer):
        if token_id in end_ids:
            return answer[: place + 1] if place else []
    while answer and answer[-1] == pad_token_id:
        answer = answer[:-1]
    return answer


def _prompts_hash(prompts: Examples) -> str:
    digest = hashlib.sha256()
    for example in prompts.items:
        digest.update(f"{example.prompt}\n".encode())
    return digest.hexdigest()
