"""What the recipe decided about prompts, read from the file that export writes beside the model.

A prompt is `prefix_ids`, then the tokens of `before` + content + `after`, then `suffix_ids`. Export renders
the model's template once and cuts it at the special tokens nearest to the content, so that no template is
rendered while serving, and the text between special tokens is tokenized as one piece, as in training.
"""

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from prompting.content import PLACEHOLDERS
from prompting.errors import PromptSettingsError

FILE_NAME = "prompt.json"


@dataclass(frozen=True, slots=True)
class PromptSettings:
    """A rendered template and the room it has.

    Attributes:
        prefix_ids: tokens of the template up to the last special token before the content.
        before: text of the template between that token and the content.
        after: text of the template between the content and the next special token.
        suffix_ids: tokens of the template from that token on.
        instruction: the content, with `{passages}` and `{question}` where they go.
        context_tokens: tokens that prompt and answer may have together.
        max_tokens: the largest MAX_TOKENS a request may ask for.
        default_max_tokens: MAX_TOKENS of a request that does not say.

    Raises:
        PromptSettingsError: the instruction lacks a placeholder.
    """

    prefix_ids: tuple[int, ...]
    before: str
    after: str
    suffix_ids: tuple[int, ...]
    instruction: str
    context_tokens: int
    max_tokens: int
    default_max_tokens: int

    def __post_init__(self) -> None:
        for placeholder in PLACEHOLDERS:
            if self.instruction.count(placeholder) != 1:
                raise PromptSettingsError(
                    f"instruction is {self.instruction!r}; allowed: a text that holds {placeholder} once"
                )

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read `prompt.json` in a version folder.

        Raises:
            PromptSettingsError: the file is missing, no JSON, or has other keys.
        """
        path = folder / FILE_NAME
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
            values["prefix_ids"] = tuple(values["prefix_ids"])
            values["suffix_ids"] = tuple(values["suffix_ids"])
            return cls(**values)
        except (OSError, ValueError, TypeError, KeyError, PromptSettingsError) as error:
            raise PromptSettingsError(f"{path}: {error}; build the repository again") from error

    def save(self, folder: Path) -> Path:
        """Write `prompt.json` into a version folder.

        Returns:
            The file written.
        """
        path = folder / FILE_NAME
        text = json.dumps(dataclasses.asdict(self), indent=2, ensure_ascii=False)
        path.write_text(text + "\n", encoding="utf-8")
        return path
