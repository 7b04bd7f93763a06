"""The command that a user gave, as a report shows it: to be run again, without what is secret."""

import shlex
from collections.abc import Sequence

__all__ = ["given_command"]

_SECRET = "--header"  # such as Authorization


def given_command(arguments: Sequence[str]) -> str:
    """One line for a shell, with the values of headers left out.

    Args:
        arguments: Those of the program, without its own name.
    """
    shown: list[str] = []
    for number, argument in enumerate(arguments):
        if number and arguments[number - 1] == _SECRET:
            shown.append(_without_value(argument))
        elif argument.startswith(f"{_SECRET}="):
            shown.append(f"{_SECRET}={_without_value(argument.removeprefix(f'{_SECRET}='))}")
        else:
            shown.append(argument)
    return shlex.join(["triton-rag", *shown])


def _without_value(header: str) -> str:
    return f"{header.partition(':')[0]}: …"
