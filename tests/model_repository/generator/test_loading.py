"""What lies in a version folder: a file that cannot be used is named."""

from pathlib import Path

import pytest
from generation import SettingsError
from generation.loading import load_tokenizer


@pytest.mark.parametrize("text", [None, "", "{}"])
def test_a_tokenizer_that_cannot_be_loaded_is_named(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "tokenizer.json").write_text(text)
    with pytest.raises(SettingsError, match=r"tokenizer\.json: .*; build the repository again"):
        load_tokenizer(tmp_path)
