"""The public names of the standard library with their docstrings, in an order that is always the same.

Modules are imported to be read. Those that do something when imported, that belong to the test suite, or that
another name documents better are left out by name; those that this Python was built without are skipped.

All of it happens in a fresh interpreter, which runs this file: libraries such as torch change functions of
the standard library, and that must not decide what a corpus holds. So this file imports nothing else.
"""

import contextlib
import importlib
import inspect
import io
import json
import pkgutil
import subprocess
import sys
import warnings
from collections.abc import Iterator
from dataclasses import astuple, dataclass
from types import ModuleType
from typing import Any

# fmt: off
_LEFT_OUT = frozenset({
    # open windows, browsers or terminals, print, or change the process when they are imported
    "antigravity", "idlelib", "readline", "rlcompleter", "this", "tkinter", "turtle", "turtledemo",
    # tests, installers and data
    "ensurepip", "lib2to3", "pydoc_data", "test", "venv",
    # deprecated, and gone in a supported version
    "asynchat", "asyncore", "distutils", "imp", "msilib", "smtpd",
    "sre_compile", "sre_constants", "sre_parse",
    # documented as os.path, os, codecs and urllib
    "encodings", "genericpath", "nt", "ntpath", "nturl2path", "posix", "posixpath",
})
# fmt: on
_SHOWN_DEFAULTS = (bool, bytes, float, int, str, type(None))
"""Other defaults are shown as `...`: an object's text can hold an address, or this process's environment."""


@dataclass(frozen=True, slots=True)
class DocumentedName:
    """A public name of the standard library.

    Attributes:
        name: as a user writes it, such as `os.path.join`, `str.join` or `asyncio`.
        signature: such as `(a, *p)`; "" where there is none or Python does not know it.
        doc: its own docstring, indentation removed.
    """

    name: str
    signature: str
    doc: str


def documented_names() -> list[DocumentedName]:
    """Modules, their public functions and classes, and the classes' public methods and properties.

    A name that several modules offer is given once, under the shortest path.
    """
    # -I and -S: neither the environment nor installed packages have a say.
    fresh_interpreter = [sys.executable, "-I", "-S", __file__]
    run = subprocess.run(fresh_interpreter, capture_output=True, check=True)
    return [DocumentedName(*fields) for fields in json.loads(run.stdout)]


def _documented_names() -> Iterator[DocumentedName]:
    seen: set[int] = set()
    kept: list[Any] = []  # objects made on the fly must live as long as their id is remembered
    for path, module in _modules():
        yield from _documented(path, module)
        members = [(name, value) for name, value in _public_members(path, module) if id(value) not in seen]
        seen.update(id(value) for _, value in members)
        kept += members
        for name, value in members:
            yield from _documented(name, value)
        for (
            name,
            value,
        ) in members:  # after the functions: `random.choice` is a method of `random.Random`, too
            if inspect.isclass(value):
                yield from _documented_members(name, value)


def _modules() -> Iterator[tuple[str, ModuleType]]:
    """Public modules by depth and name, `builtins` first: what is there has its shortest name there."""
    paths = [name for name in sorted(sys.stdlib_module_names) if _is_public(name) and name != "builtins"]
    yield "builtins", importlib.import_module("builtins")
    while paths:
        modules = [(path, module) for path in paths if (module := _imported(path))]
        yield from modules
        paths = sorted(inner for path, module in modules for inner in _submodule_paths(path, module))


def _submodule_paths(path: str, module: ModuleType) -> list[str]:
    if path == "os":
        return ["os.path"]
    folders = getattr(module, "__path__", [])
    return [f"{path}.{info.name}" for info in pkgutil.iter_modules(folders) if _is_public(info.name)]


def _is_public(name: str) -> bool:
    return not name.startswith("_") and name not in _LEFT_OUT


def _imported(path: str) -> ModuleType | None:
    """The module, or None where this Python or platform cannot import it."""
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        try:
            return importlib.import_module(path)
        except (Exception, SystemExit):  # platform modules fail in many ways, and each only means "not here"
            return None


def _public_members(path: str, module: ModuleType) -> list[tuple[str, Any]]:
    """Full names and values: what `__all__` lists, else what is defined here or in the module's part in C.

    Short names come first: `bytes` before `bytearray`, which share docstrings.
    """
    listed = getattr(module, "__all__", None)
    names = sorted(set(vars(module) if listed is None else listed), key=lambda name: (len(name), name))
    members = []
    for name in names:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            value = getattr(module, name, None)
        home = getattr(value, "__module__", None)
        own = listed is not None or path == "builtins" or home in (path, f"_{path}")
        if own and not name.startswith("_") and value is not None and not inspect.ismodule(value):
            members.append((name if path == "builtins" else f"{path}.{name}", value))
    return members


def _documented_members(path: str, owner: type) -> Iterator[DocumentedName]:
    """The methods and properties that a class itself defines."""
    for name, value in sorted(vars(owner).items()):
        if not name.startswith("_") and not inspect.isclass(value):
            callable_value = value.__func__ if isinstance(value, (classmethod, staticmethod)) else value
            yield from _documented(f"{path}.{name}", callable_value)


def _documented(name: str, value: Any) -> Iterator[DocumentedName]:
    """The name with its own docstring; nothing where that is its type's, such as the one of every int."""
    doc = getattr(value, "__doc__", None)
    if not isinstance(doc, str) or (doc == type(value).__doc__ and not inspect.isclass(value)):
        return
    if cleaned := inspect.cleandoc(doc).strip():
        yield DocumentedName(name, _signature(value), cleaned)


def _signature(value: Any) -> str:
    if not callable(value):
        return ""
    try:
        signature = inspect.signature(value)
    except Exception:  # it evaluates the text that C functions carry, and that can fail in any way
        return ""
    parameters = [
        parameter.replace(default=_shown(parameter.default)) for parameter in signature.parameters.values()
    ]
    return str(signature.replace(parameters=parameters))


def _shown(default: Any) -> Any:
    shown = default is inspect.Parameter.empty or type(default) in _SHOWN_DEFAULTS
    return default if shown and default != sys.executable else _Ellipsis()


class _Ellipsis:
    """A default that is not shown."""

    def __repr__(self) -> str:
        return "..."


if __name__ == "__main__":
    json.dump([astuple(name) for name in _documented_names()], sys.stdout)
