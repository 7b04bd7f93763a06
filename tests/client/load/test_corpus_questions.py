"""A small corpus behind a real small server: each passage leads to the next one alone."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest
from scripted_servers.script import passage_outputs, texts
from triton_rag_client import AsyncRagClient
from triton_rag_client.errors import InvalidRequestError
from triton_rag_client.load.corpus_questions import draw_corpus_questions

CORPUS = [
    (f"Title {number}", f"Title {number}\n\nIn  sentence {number} we begin. More of it. The end of {number}")
    for number in range(30)
]


def found(*numbers: int) -> dict[str, np.ndarray]:
    return {
        **passage_outputs([str(number) for number in numbers]),
        "PASSAGE_TITLE": texts([CORPUS[number][0] for number in numbers]),
        "PASSAGE_TEXT": texts([CORPUS[number][1] for number in numbers]),
        "ERROR": texts([""]),
    }


@pytest.fixture
def corpus_url(script, url):
    """Any text finds passage 0; the end of a passage finds it and the next."""

    def retrieve(seen):
        query = np.ravel(seen.inputs["QUERY"])[0]
        _, is_end, number = query.rpartition("The end of ")
        return found(int(number), min(int(number) + 1, 29)) if is_end else found(0)

    script.infer = retrieve
    return url


def drawn(url: str, count: int, seed: int = 0) -> tuple[str, ...]:
    async def draw() -> tuple[str, ...]:
        async with AsyncRagClient(url) as client:
            return await draw_corpus_questions(client, count, seed=seed)

    return asyncio.run(draw())


def test_they_are_titles_and_first_sentences_of_different_passages(corpus_url):
    questions = drawn(corpus_url, 20)
    possible = {f"Title {n}": n for n in range(30)} | {f"In sentence {n} we begin.": n for n in range(30)}
    assert len({possible[question] for question in questions}) == len(questions) == 20
    assert 0 < sum(question.startswith("Title") for question in questions) < 20


def test_the_same_seed_draws_the_same_and_another_seed_others(corpus_url):
    first = drawn(corpus_url, 20, seed=1)
    assert drawn(corpus_url, 20, seed=1) == first != drawn(corpus_url, 20, seed=2)


def test_what_is_asked_was_not_searched_for_before(corpus_url, script):
    questions = drawn(corpus_url, 20)
    searched = {str(np.ravel(seen.inputs["QUERY"])[0]) for seen in script.requests}
    assert len(searched) >= 19
    assert not searched & set(questions)


def test_a_corpus_with_fewer_passages_gives_fewer_questions(corpus_url):
    assert len(drawn(corpus_url, 500)) == 30


def test_a_long_sentence_is_cut_between_words_and_a_text_without_spaces_anywhere(script, url):
    script.infer = lambda seen: (
        found(0)
        | {
            "PASSAGE_TITLE": texts([""]),
            "PASSAGE_TEXT": texts(["wordy " * 100]),
        }
    )
    (question,) = drawn(url, 1)
    assert (len(question), question[-6:]) == (197, " wordy"), question
    script.infer = lambda seen: found(0) | {"PASSAGE_TITLE": texts([""]), "PASSAGE_TEXT": texts(["字" * 300])}
    assert drawn(url, 1) == ("字" * 200,)


def test_passages_without_a_word_are_refused(script, url):
    script.infer = lambda seen: found(0) | {"PASSAGE_TITLE": texts([""]), "PASSAGE_TEXT": texts([" "])}
    with pytest.raises(InvalidRequestError, match="finds no passage with a title or a sentence"):
        drawn(url, 5)
