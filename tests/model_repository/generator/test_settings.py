from pathlib import Path

import pytest
from generation import ServingSettings, SettingsError


def test_what_is_saved_is_what_is_loaded(tmp_path: Path) -> None:
    settings = ServingSettings(slots=2, context_tokens=512, max_tokens=64, default_max_tokens=8)
    assert settings.save(tmp_path).name == "serving.json"
    assert ServingSettings.load(tmp_path) == settings


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "Expecting value"),
        ('{"slot": 3}', "slot"),
        ('{"slots": 0}', "slots is 0; allowed: a whole number from 1"),
        ('{"slots": true}', "slots is True"),
        ('{"prefill_chunk": 0}', "prefill_chunk is 0; allowed: a whole number from 1"),
        ('{"max_tokens": 8}', "default_max_tokens is 128; allowed: at most max_tokens, 8"),
        ('{"context_tokens": 512}', "max_tokens is 512; allowed: less than context_tokens, 512"),
    ],
)
def test_a_bad_file_is_refused_by_its_path_and_key(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "serving.json").write_text(text)
    with pytest.raises(SettingsError) as caught:
        ServingSettings.load(tmp_path)
    assert str(tmp_path / "serving.json") in str(caught.value)
    assert words in str(caught.value)


def test_a_missing_file_is_refused_by_its_path(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"serving\.json"):
        ServingSettings.load(tmp_path)
