"""What `generator.json` says about an encoder-decoder model's graphs."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Self

from generation.errors import SettingsError

DESCRIPTION_FILE = "generator.json"


@dataclass(frozen=True, slots=True)
class EncoderDecoderDescription:
    """A description, written by export and read when the model is loaded.

    Attributes:
        family: the model type by transformers' name, such as "t5".
        precision: "fp32", "fp16" or "int8".
        heads: heads of the cache of each decoder layer.
        cross_heads: heads of the source's cache of each decoder layer.
        head_size: channels of a head.
        vocabulary_size: the width of the logits.
        start_token_ids: what the decoder reads before it writes anything, at least one.
        end_token_ids: the tokens that end an answer.
        longest_source: tokens that a source may have; None when positions are relative.
        longest_target: tokens that the decoder can read; None when positions are relative.
    """

    KIND: ClassVar[str] = "encoder-decoder"

    family: str
    precision: str
    heads: tuple[int, ...]
    cross_heads: tuple[int, ...]
    head_size: int
    vocabulary_size: int
    start_token_ids: tuple[int, ...]
    end_token_ids: frozenset[int]
    longest_source: int | None
    longest_target: int | None

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read the description in a version folder.

        Raises:
            SettingsError: the file is missing, not JSON, or not such a description.
        """
        path = folder / DESCRIPTION_FILE
        try:
            fields = json.loads(path.read_text(encoding="utf-8"))
            if (kind := fields.pop("kind")) != cls.KIND:
                raise ValueError(f"kind is {kind!r}; needed: {cls.KIND!r}")
            for name in ("heads", "cross_heads", "start_token_ids"):
                fields[name] = tuple(fields[name])
            fields["end_token_ids"] = frozenset(fields["end_token_ids"])
            return cls(**fields)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise SettingsError(f"{path}: {error}; build the repository again") from error

    def save(self, folder: Path) -> Path:
        """Write the description into a version folder.

        Returns:
            The file written.
        """
        path = folder / DESCRIPTION_FILE
        fields = {"kind": self.KIND} | {name: getattr(self, name) for name in self.__slots__}
        fields["end_token_ids"] = sorted(self.end_token_ids)
        path.write_text(json.dumps(fields, indent=2) + "\n", encoding="utf-8")
        return path
