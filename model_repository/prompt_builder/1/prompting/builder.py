"""Turns a question and its passages into the generator's prompt.

As many passages go in as fit beside the answer; the lowest ranked are dropped first. Their number is found by
bisection: a prompt of many passages is tokenized a few times, not once for each passage dropped.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from prompting.content import PromptPassage, content
from prompting.errors import InvalidPromptError, PromptSettingsError
from prompting.plain_text import PlainTextTokenizer
from prompting.settings import PromptSettings

TOKENIZER_FILE = "tokenizer.json"


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt that leaves room for its answer.

    Attributes:
        ids: token ids, shape (tokens,).
        passages_used: the first so many passages are in the prompt.
    """

    ids: npt.NDArray[np.int32]
    passages_used: int


class PromptBuilder:
    """Builds prompts for one generator.

    Args:
        tokenizer: the generator's tokenizer; this takes it over.
        settings: the rendered template and its room.
    """

    def __init__(self, tokenizer: Tokenizer, settings: PromptSettings) -> None:
        self._plain_text = PlainTextTokenizer(tokenizer)
        self._settings = settings

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read `tokenizer.json` and `prompt.json` in a version folder.

        Raises:
            PromptSettingsError: one of them cannot be used.
        """
        return cls(_load_tokenizer(folder / TOKENIZER_FILE), PromptSettings.load(folder))

    def build(self, query: str, passages: Sequence[PromptPassage], max_tokens: int | None = None) -> Prompt:
        """Build the prompt of one question.

        Args:
            query: the question.
            passages: the best first.
            max_tokens: tokens to leave free for the answer; None is the served default.

        Raises:
            InvalidPromptError: the question is empty, does not fit even without passages, or `max_tokens` is
                out of range.
        """
        if not query.strip():
            raise InvalidPromptError("QUERY is empty; allowed: a text with at least one visible character")
        room = self._settings.context_tokens - self._checked(max_tokens)
        used = len(passages)
        ids = self._ids(query, passages)
        if len(ids) > room:
            used = self._most_that_fit(query, passages, room)
            ids = self._ids(query, passages[:used])
        if len(ids) > room:
            raise InvalidPromptError(
                f"QUERY makes a prompt of {len(ids)} tokens without any passage; allowed: {room} "
                f"({self._settings.context_tokens} less MAX_TOKENS); shorten QUERY or lower MAX_TOKENS"
            )
        return Prompt(np.array(ids, np.int32), used)

    def _most_that_fit(self, query: str, passages: Sequence[PromptPassage], room: int) -> int:
        """The most passages, fewer than all, whose prompt fits; 0 if not even the question does."""

        def tokens(count: int) -> int:
            return len(self._ids(query, passages[:count]))

        return max(bisect_right(range(len(passages)), room, key=tokens) - 1, 0)

    def _checked(self, max_tokens: int | None) -> int:
        if max_tokens is None:
            return self._settings.default_max_tokens
        if not 1 <= max_tokens <= self._settings.max_tokens:
            raise InvalidPromptError(
                f"MAX_TOKENS is {max_tokens}; allowed: a whole number from 1 to {self._settings.max_tokens}"
            )
        return max_tokens

    def _ids(self, query: str, passages: Sequence[PromptPassage]) -> list[int]:
        settings = self._settings
        text = settings.before + content(settings.instruction, query, passages) + settings.after
        return [*settings.prefix_ids, *self._plain_text.encode(text), *settings.suffix_ids]


def _load_tokenizer(path: Path) -> Tokenizer:
    try:
        return Tokenizer.from_file(str(path))
    except Exception as error:  # tokenizers raises bare Exception
        raise PromptSettingsError(f"{path}: {error}; build the repository again") from error
