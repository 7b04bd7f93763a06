"""Errors of the prompting package.

PromptingError             everything below; its message ends in what to do
├── PromptSettingsError    prompt.json or tokenizer.json is missing or not as export writes it
└── InvalidPromptError     QUERY or MAX_TOKENS cannot become a prompt: names tensor, value and range
"""

__all__ = ["InvalidPromptError", "PromptSettingsError", "PromptingError"]


class PromptingError(Exception):
    """The root of what prompting raises on purpose."""


class PromptSettingsError(PromptingError):
    """`prompt.json` or `tokenizer.json` cannot be used."""


class InvalidPromptError(PromptingError):
    """The request can never become a prompt as it is."""
