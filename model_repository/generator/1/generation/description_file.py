"""`generator.json`: the fields of a dataclass that describes the graphs beside it, written by export."""

import dataclasses
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeVar

from generation.errors import SettingsError

DESCRIPTION_FILE = "generator.json"

_Description = TypeVar("_Description")


def read_description(
    described: type[_Description], folder: Path, *, tuples: Iterable[str], kind: str | None = None
) -> _Description:
    """Read the description in a version folder.

    Args:
        described: the dataclass that it becomes.
        folder: the version folder.
        tuples: names of its fields that are tuples, lists in the file.
        kind: what the file has to say as its kind; None for one that names none.

    Raises:
        SettingsError: the file is missing, not JSON, of another kind, lacks a field or has one too many.
    """
    path = folder / DESCRIPTION_FILE
    try:
        fields: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if (found := fields.pop("kind", None)) != kind:
            raise ValueError(f"kind is {found!r}; needed: {kind!r}")
        for name in tuples:
            fields[name] = tuple(fields[name])
        fields["end_token_ids"] = frozenset(fields["end_token_ids"])
        return described(**fields)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise SettingsError(f"{path}: {error}; build the repository again") from error


def write_description(folder: Path, description: Any, *, kind: str | None = None) -> Path:
    """Write a description, a dataclass with `end_token_ids`, into a version folder.

    Returns:
        The file written.
    """
    path = folder / DESCRIPTION_FILE
    fields: dict[str, Any] = {} if kind is None else {"kind": kind}
    fields |= {field.name: getattr(description, field.name) for field in dataclasses.fields(description)}
    fields["end_token_ids"] = sorted(fields["end_token_ids"])
    path.write_text(json.dumps(fields, indent=2) + "\n", encoding="utf-8")
    return path
