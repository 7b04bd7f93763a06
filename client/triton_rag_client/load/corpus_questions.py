"""Questions drawn from the corpus of a server, through its `retrieve`: the repository need not be at hand.

A server does not list its passages. So the draw goes from passage to passage: what `retrieve` finds for a
text is asked about, and the end of a found passage is the next text to search for (a snowball sample: what no
passage leads to is not reached). Titles and first sentences are asked; ends are searched for and never asked,
so that no cache knows a question before the measurement.
"""

import random
import re
from collections.abc import AsyncGenerator, Sequence

from triton_rag_client.async_client import AsyncRagClient
from triton_rag_client.errors import InvalidRequestError
from triton_rag_client.results import Passage

__all__ = ["draw_corpus_questions"]

_FIRST_SEARCHES = (
    "introduction and overview", "how to get started", "most important facts", "problems and their solutions",
    "definition of a term", "an example", "rules and exceptions", "history and people",
)  # fmt: skip
_MOST_PASSAGES_K = 20  # the server's limit
_MOST_CHARACTERS = 200
_FEWEST_WORDS = 2  # of a first sentence; a title may be one word
_SENTENCE = re.compile(r".+?(?:[.!?](?=\s|$)|[。！？]|$)")


async def draw_corpus_questions(client: AsyncRagClient, count: int, *, seed: int = 0) -> tuple[str, ...]:
    """Different questions about passages of a server, in random order; fewer where it does not lead to more.

    The same server, count and seed give the same questions.

    Args:
        client: Of the server; it must serve `retrieve`.
        count: How many.
        seed: Of the draw.

    Raises:
        InvalidRequestError: No passage has a title or a sentence.
        RagError: The server does not answer.
    """
    draw = random.Random(seed)
    questions: dict[str, None] = {}  # a set that keeps its order
    async for passage in _passages(client, draw):
        possible = [text for text in _possible_questions(passage) if text not in questions]
        if possible:
            questions[draw.choice(possible)] = None
        if len(questions) == count:
            break
    if not questions:
        raise InvalidRequestError(
            "--questions corpus: `retrieve` finds no passage with a title or a sentence; give a file"
        )
    return tuple(draw.sample(tuple(questions), len(questions)))


async def _passages(client: AsyncRagClient, draw: random.Random) -> AsyncGenerator[Passage]:
    """Passages, each once, until they lead to no further ones."""
    searches: list[str] = list(_FIRST_SEARCHES)
    seen: set[str] = set()
    while searches:
        text = searches.pop(draw.randrange(len(searches)))
        found = await client.retrieve(text, passages_k=_MOST_PASSAGES_K)
        new = [passage for passage in found if passage.id not in seen]
        for passage in new:
            seen.add(passage.id)
            end = _one_line(passage.text)[-_MOST_CHARACTERS:].strip()
            if end:
                searches.append(end)
            yield passage


def _possible_questions(passage: Passage) -> Sequence[str]:
    """Its title, and its first sentence below it, each cut to a length that people type."""
    title = _one_line(passage.title)
    text = _one_line(passage.text)
    below = text.removeprefix(title).lstrip(" .:-") if title else text
    found = _SENTENCE.match(below)
    sentence = found.group().strip() if found else ""
    texts = [title] if title else []
    if len(sentence.split()) >= _FEWEST_WORDS or (sentence and not sentence.isascii()):
        texts.append(sentence)
    return [_cut(text) for text in texts]


def _cut(text: str) -> str:
    """Its beginning, to the end of a word where there is one."""
    if len(text) <= _MOST_CHARACTERS:
        return text
    begin = text[:_MOST_CHARACTERS]
    return begin.rsplit(" ", 1)[0] if " " in begin else begin


def _one_line(text: str) -> str:
    return " ".join(text.split())
