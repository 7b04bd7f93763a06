"""On which line of a TOML text a key stands: `tomllib` does not say, and an error message should.

A scanner of lines, not a parser: it runs on text that `tomllib` has accepted, knows table headers, plain,
quoted and dotted keys and strings over several lines, and leaves the rest alone.
"""

import re

_PART = r"""(?:[A-Za-z0-9_-]+|"[^"\n]*"|'[^'\n]*')"""
_PATH = rf"{_PART}(?:\s*\.\s*{_PART})*"
_HEADER = re.compile(rf"^\s*\[{{1,2}}\s*({_PATH})\s*\]{{1,2}}\s*(?:#.*)?$")
_KEY = re.compile(rf"^\s*({_PATH})\s*=(.*)$")
_LONG_STRING = re.compile("\"\"\"|'''")


def key_lines(text: str) -> dict[tuple[str, ...], int]:
    """Where tables and keys of a TOML text stand.

    Args:
        text: valid TOML.

    Returns:
        Key path to its first line, counted from 1.
    """
    lines: dict[tuple[str, ...], int] = {}
    table: tuple[str, ...] = ()
    closing = ""  # the quotes that end the string we are in, "" outside of one
    for number, line in enumerate(text.split("\n"), start=1):
        if closing:
            closing = "" if closing in line else closing
        elif header := _HEADER.match(line):
            table = _split(header[1])
            lines.setdefault(table, number)
        elif key := _KEY.match(line):
            lines.setdefault(table + _split(key[1]), number)
            closing = _opened_string(key[2])
    return lines


def _split(path: str) -> tuple[str, ...]:
    """The parts of a dotted key, without their quotes."""
    return tuple(part.strip("\"'") for part in re.findall(_PART, path))


def _opened_string(value: str) -> str:
    """The quotes of a string over several lines that begins in `value` and does not end there."""
    quotes = _LONG_STRING.search(value)
    if quotes is None or quotes[0] in value[quotes.end() :]:
        return ""
    return quotes[0]
