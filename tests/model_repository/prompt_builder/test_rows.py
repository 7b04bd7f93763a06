from dataclasses import replace

import numpy as np
import pytest
from prompting import InvalidPromptError, Prompt, PromptPassage, PromptRow, PromptTensors, lay_out, read_rows


def texts(*rows: list[bytes]) -> np.ndarray:
    return np.array(rows, np.object_)


TENSORS = PromptTensors(
    queries=texts([b"Why?"], ["Wozu über?".encode()]),
    passage_ids=texts([b"a", b"b"], [b"c", b""]),
    titles=texts([b"A", b""], [b"C", b""]),
    texts=texts([b"text a", b"text b"], [b"text c", b""]),
    max_tokens=np.array([[5], [-3]], np.int32),
)


def test_rows_are_read_without_the_padding_of_the_search() -> None:
    assert list(read_rows(TENSORS)) == [
        PromptRow("Why?", (PromptPassage("A", "text a"), PromptPassage("", "text b")), 5),
        PromptRow("Wozu über?", (PromptPassage("C", "text c"),), -3),
    ]


def test_max_tokens_may_be_left_out() -> None:
    assert [row.max_tokens for row in read_rows(replace(TENSORS, max_tokens=None))] == [None, None]


@pytest.mark.parametrize("name", ["queries", "titles", "texts"])
def test_what_is_not_utf_8_is_refused_by_name(name: str) -> None:
    spoiled = getattr(TENSORS, name).copy()
    spoiled[0, 0] = b"caf\xe9"
    tensor = {"queries": "QUERY", "titles": "PASSAGE_TITLE", "texts": "PASSAGE_TEXT"}[name]
    with pytest.raises(InvalidPromptError, match=rf"{tensor} is b'caf\\xe9'; allowed: text in UTF-8"):
        list(read_rows(replace(TENSORS, **{name: spoiled})))


def test_passages_of_different_shapes_are_refused() -> None:
    with pytest.raises(InvalidPromptError, match="PASSAGE_ID, PASSAGE_TITLE and PASSAGE_TEXT"):
        list(read_rows(replace(TENSORS, titles=texts([b"A"], [b"C"]))))


def test_prompts_of_different_lengths_are_padded_with_what_no_token_is() -> None:
    ids, used = lay_out([Prompt(np.array([7, 8, 9], np.int32), 2), Prompt(np.array([5], np.int32), 0)])
    assert ids.tolist() == [[7, 8, 9], [5, -1, -1]]
    assert used.tolist() == [[2], [0]]
