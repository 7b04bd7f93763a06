"""Reads prompts' inputs from tensors and lays prompts of several rows out in one.

A row's passages end where their ids do: the search pads rows with empty ids.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from prompting.builder import Prompt
from prompting.content import PromptPassage
from prompting.errors import InvalidPromptError

PADDING_ID = -1


@dataclass(frozen=True, slots=True)
class PromptTensors:
    """The inputs of one request.

    Attributes:
        queries: shape (rows, 1), bytes.
        passage_ids: shape (rows, passages), bytes; empty after a row's last passage.
        titles: shape (rows, passages), bytes.
        texts: shape (rows, passages), bytes.
        max_tokens: shape (rows, 1), or None if left out.
    """

    queries: npt.NDArray[np.object_]
    passage_ids: npt.NDArray[np.object_]
    titles: npt.NDArray[np.object_]
    texts: npt.NDArray[np.object_]
    max_tokens: npt.NDArray[np.int32] | None


@dataclass(frozen=True, slots=True)
class PromptRow:
    """The arguments of one `PromptBuilder.build`."""

    query: str
    passages: tuple[PromptPassage, ...]
    max_tokens: int | None


def read_rows(tensors: PromptTensors) -> Iterator[PromptRow]:
    """The rows of a request.

    Raises:
        InvalidPromptError: a text is not UTF-8, or the passages' tensors have different shapes.
    """
    if not tensors.passage_ids.shape == tensors.titles.shape == tensors.texts.shape:
        raise InvalidPromptError(
            f"PASSAGE_ID, PASSAGE_TITLE and PASSAGE_TEXT have the shapes {tensors.passage_ids.shape}, "
            f"{tensors.titles.shape} and {tensors.texts.shape}; allowed: the same shape"
        )
    for row, query in enumerate(tensors.queries.reshape(-1)):
        present = [index for index, passage_id in enumerate(tensors.passage_ids[row]) if passage_id]
        passages = tuple(
            PromptPassage(
                _text("PASSAGE_TITLE", tensors.titles[row, index]),
                _text("PASSAGE_TEXT", tensors.texts[row, index]),
            )
            for index in present
        )
        max_tokens = None if tensors.max_tokens is None else int(tensors.max_tokens.reshape(-1)[row])
        yield PromptRow(_text("QUERY", query), passages, max_tokens)


def lay_out(prompts: Sequence[Prompt]) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """Prompts as tensors.

    Returns:
        Token ids, shape (rows, most tokens), padded with -1; and passages used, shape (rows, 1).
    """
    longest = max(len(prompt.ids) for prompt in prompts)
    ids = np.full((len(prompts), longest), PADDING_ID, np.int32)
    for row, prompt in enumerate(prompts):
        ids[row, : len(prompt.ids)] = prompt.ids
    return ids, np.array([[prompt.passages_used] for prompt in prompts], np.int32)


def _text(name: str, value: Any) -> str:
    try:
        return value.decode("utf-8") if isinstance(value, bytes) else str(value)
    except UnicodeDecodeError as error:
        raise InvalidPromptError(
            f"{name} is {value[:40]!r}; allowed: text in UTF-8 ({error.reason} at byte {error.start})"
        ) from error
