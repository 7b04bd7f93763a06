"""How many threads `serving.json` allows."""

from pathlib import Path

import pytest
from passage_search import IndexFilesError, serving_threads
from passage_search.settings import SERVING_FILE


def test_the_file_says_how_many_threads_and_no_file_means_all_cores(tmp_path: Path) -> None:
    assert serving_threads(tmp_path) == 0
    (tmp_path / SERVING_FILE).write_text('{"threads": 3}')
    assert serving_threads(tmp_path) == 3


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "{}", '{"threads": -1}', '{"threads": 1.5}', '{"threads": "2"}', '{"threads": true}'],
)
def test_a_file_that_says_something_else_is_named(text: str, tmp_path: Path) -> None:
    (tmp_path / SERVING_FILE).write_text(text)
    with pytest.raises(IndexFilesError, match=r"serving\.json"):
        serving_threads(tmp_path)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / SERVING_FILE).mkdir()
    with pytest.raises(IndexFilesError, match=r"serving\.json cannot be used .*build the repository again"):
        serving_threads(tmp_path)
