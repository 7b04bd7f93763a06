"""What the recipe decided for serving, read from the file that export writes beside the model."""

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from generation.adapter import ModelAdapter
from generation.errors import SettingsError

FILE_NAME = "serving.json"


@dataclass(frozen=True, slots=True)
class ServingSettings:
    """Limits of the engine.

    Attributes:
        slots: answers that are generated at the same time; each has its own key/value cache.
        context_tokens: tokens of prompt and answer together that a slot can hold.
        prefill_chunk: rows of prompts read in one step, over all slots: the longest that a new prompt holds
            up the running answers at a time.
        max_tokens: the largest MAX_TOKENS a request may ask for.
        default_max_tokens: MAX_TOKENS of a request that does not say.
        max_queue: requests that may wait while all slots are taken.
        threads: threads of the model; 0: one for each core.
        max_draft_tokens: guessed tokens that one answer verifies in a step at most; 0 guesses nothing.
        max_memory_mb: what weights, caches and activations may take together, in MB of a million bytes, or
            the model does not load; 0: as much as there is.
    """

    slots: int = 8
    context_tokens: int = 2048
    prefill_chunk: int = 128
    max_tokens: int = 512
    default_max_tokens: int = 128
    max_queue: int = 256
    threads: int = 0
    max_draft_tokens: int = 8
    max_memory_mb: int = 0

    def __post_init__(self) -> None:
        for field, least in _LEAST.items():
            value = getattr(self, field)
            if type(value) is not int or value < least:
                raise SettingsError(f"{field} is {value!r}; allowed: a whole number from {least}")
        if self.default_max_tokens > self.max_tokens:
            raise SettingsError(
                f"default_max_tokens is {self.default_max_tokens}; "
                f"allowed: at most max_tokens, {self.max_tokens}"
            )
        if self.max_tokens >= self.context_tokens:
            raise SettingsError(
                f"max_tokens is {self.max_tokens}; allowed: less than context_tokens, {self.context_tokens}"
            )

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read `serving.json` in a version folder.

        Raises:
            SettingsError: the file is missing or no JSON, a key is unknown, or a value is not allowed.
        """
        path = folder / FILE_NAME
        try:
            return cls(**json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError, SettingsError) as error:
            raise SettingsError(f"{path}: {error}; build the repository again") from error

    def save(self, folder: Path) -> Path:
        """Write `serving.json` into a version folder.

        Returns:
            The file written.
        """
        path = folder / FILE_NAME
        path.write_text(json.dumps(dataclasses.asdict(self), indent=2) + "\n", encoding="utf-8")
        return path


_LEAST = {
    "slots": 1,
    "context_tokens": 2,
    "prefill_chunk": 1,
    "max_tokens": 1,
    "default_max_tokens": 1,
    "max_queue": 1,
    "threads": 0,
    "max_draft_tokens": 0,
    "max_memory_mb": 0,
}


def check_fit(settings: ServingSettings, adapter: ModelAdapter) -> None:
    """Check that a loaded model can serve these settings.

    Raises:
        SettingsError: it has other slots or less room.
    """
    room = adapter.source_capacity or adapter.capacity  # an encoder's prompts have a room of their own
    if adapter.slots != settings.slots or room < settings.context_tokens:
        raise SettingsError(
            f"the model has {adapter.slots} slots of {room} tokens; "
            f"needed: {settings.slots} slots of {settings.context_tokens}; build the repository again"
        )
