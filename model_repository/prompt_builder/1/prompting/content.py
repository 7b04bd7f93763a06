"""The words of a prompt: numbered passages and the question, set into the recipe's instruction."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

PLACEHOLDERS = ("{passages}", "{question}")

_PLACEHOLDER = re.compile("|".join(map(re.escape, PLACEHOLDERS)))


@dataclass(frozen=True, slots=True)
class PromptPassage:
    """What of a passage goes into a prompt.

    Attributes:
        title: a line of its own beside the number; may be empty.
        text: the passage.
    """

    title: str
    text: str


def content(instruction: str, question: str, passages: Sequence[PromptPassage]) -> str:
    """Fill the instruction in one pass: placeholders inside a question or a passage stay text.

    Args:
        instruction: text with `{passages}` and `{question}`.
        question: the user's question.
        passages: the best first; they are numbered from 1, so that an answer can cite `[1]`.
    """
    blocks = (_numbered(number, passage) for number, passage in enumerate(passages, start=1))
    values = {"{passages}": "\n\n".join(blocks), "{question}": question.strip()}
    return _PLACEHOLDER.sub(lambda match: values[match.group()], instruction).strip()


def _numbered(number: int, passage: PromptPassage) -> str:
    title = " ".join(passage.title.split())
    return f"[{number}] {title}\n{passage.text.strip()}" if title else f"[{number}] {passage.text.strip()}"
