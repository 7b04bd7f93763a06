"""Prompts: numbered passages and a question in the generator's template, within its context."""

from prompting.builder import Prompt, PromptBuilder
from prompting.content import PLACEHOLDERS, PromptPassage
from prompting.errors import InvalidPromptError, PromptingError, PromptSettingsError
from prompting.rows import PromptRow, PromptTensors, lay_out, read_rows
from prompting.settings import PromptSettings

__all__ = [
    "PLACEHOLDERS",
    "InvalidPromptError",
    "Prompt",
    "PromptBuilder",
    "PromptPassage",
    "PromptRow",
    "PromptSettings",
    "PromptSettingsError",
    "PromptTensors",
    "PromptingError",
    "lay_out",
    "read_rows",
]
