"""Which commands there are: the client's own, and those that other packages offer by entry points.

An entry point of the group `triton_rag.commands` names a plain function in typer's style. A command whose
package is not installed is still listed; calling it says what to install.
"""

from __future__ import annotations

import functools
import importlib
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any, Final

import typer
from triton_rag_server.missing_packages import install_command
from typer.core import TyperGroup

from triton_rag_client.errors import ClientSetupError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["CommandGroup", "find_commands", "missing_package"]

GROUP: Final = "triton_rag.commands"
_OWN: Final[Mapping[str, str]] = {
    name: f"triton_rag_client.commands.{name}:{name}"
    for name in ("serve", "doctor", "demo", "ask", "chat", "retrieve", "embed", "loadtest")
}
_ORDER: Final = (
    *("demo", "build", "compress", "report", "lint", "evaluate", "serve", "doctor"),
    *("ask", "chat", "retrieve", "embed", "loadtest"),
)


@functools.cache
def find_commands() -> Mapping[str, str]:
    """Name to `module:function`, in the order of the help."""
    offered = {entry.name: entry.value for entry in entry_points(group=GROUP)}
    found = {**offered, **_OWN}
    return {name: found[name] for name in sorted(found, key=_place)}


def missing_package(command: str, error: ModuleNotFoundError) -> ClientSetupError:
    """The error of a command whose package is not installed."""
    return ClientSetupError(
        f"{command!r} needs the package {error.name!r}, which is not installed: {_install()}"
    )


class CommandGroup(TyperGroup):
    """Loads a command when it is asked for: `triton-rag ask` imports nothing of `triton-rag build`."""

    def list_commands(self, ctx: Any) -> list[str]:
        """All names."""
        return list(find_commands())

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """One command, or None."""
        target = find_commands().get(cmd_name)
        if target is None:
            return None
        single = typer.Typer(add_completion=False, rich_markup_mode=None)
        try:
            single.command(cmd_name)(_loaded(target))
        except ModuleNotFoundError as error:
            anything = {"ignore_unknown_options": True, "allow_extra_args": True}
            single.command(cmd_name, context_settings=anything)(_stand_in(cmd_name, error))
        return typer.main.get_command(single)


def _install() -> str:
    """What brings every command: those of building run the served code too."""
    return install_command("export", "serve", "cpu")


def _place(name: str) -> tuple[int, str]:
    return (_ORDER.index(name) if name in _ORDER else len(_ORDER), name)


def _loaded(target: str) -> Callable[..., Any]:
    module, _, function = target.partition(":")
    command: Callable[..., Any] = getattr(importlib.import_module(module), function)
    return command


def _stand_in(name: str, error: ModuleNotFoundError) -> Callable[[], None]:
    def command() -> None:
        raise missing_package(name, error)

    command.__doc__ = f"Not installed: {_install()}"
    return command
