"""The engine over what an export put into a version folder."""

from pathlib import Path

from tokenizers import Tokenizer

from generation.causal import CausalAdapter
from generation.engine import Engine
from generation.errors import SettingsError
from generation.settings import ServingSettings


def load_engine(folder: Path) -> Engine:
    """Load the model, the tokenizer and the limits in a version folder; the engine is not started.

    Raises:
        SettingsError: a file of settings is missing or wrong, or does not fit the model.
    """
    settings = ServingSettings.load(folder)
    adapter = CausalAdapter.load(
        folder, slots=settings.slots, capacity=settings.context_tokens, threads=settings.threads
    )
    return Engine(adapter, load_tokenizer(folder), settings)


def load_tokenizer(folder: Path) -> Tokenizer:
    """Load `tokenizer.json` in a version folder.

    Raises:
        SettingsError: the file is missing or cannot be used.
    """
    path = folder / "tokenizer.json"
    try:
        return Tokenizer.from_file(str(path))
    except Exception as error:  # tokenizers raises bare Exception
        raise SettingsError(f"{path}: {error}; build the repository again") from error
