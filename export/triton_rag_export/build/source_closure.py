"""Which source files have a hand in what a module does: its own, and those of ours that it imports in turn.

Imports are read from the source, so nothing is loaded. Ours is what lies in export or beside a served model;
libraries count by their versions instead. A package's `__init__.py` counts only where the package itself is
imported: `from generation.causal import ...` does not depend on the engine that `generation` offers too.
"""

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path

from triton_rag_export.served import SERVED_MODELS, model_repository_folder


def source_files(modules: Iterable[str]) -> tuple[Path, ...]:
    """The files of modules and of all modules of ours that they import, at any depth, in a fixed order.

    Args:
        modules: names such as `triton_rag_export.graph.encoder` or `query_encoding`.

    Raises:
        ModuleNotFoundError: a module of that name is not ours.
    """
    waiting = list(modules)
    found = {module: source_file(module) for module in waiting}
    seen: set[str] = set()
    while waiting:
        module = waiting.pop()
        path = _file_of(module)
        if path is not None and module not in seen:
            found[module] = path
            waiting += _imports(path)
        seen.add(module)
    return tuple(found[module] for module in sorted(found))


def source_file(module: str) -> Path:
    """The file of a module of ours.

    Raises:
        ModuleNotFoundError: there is none of that name.
    """
    path = _file_of(module)
    if path is None:
        raise ModuleNotFoundError(f"{module} is no module of triton-rag")
    return path


def _file_of(module: str) -> Path | None:
    relative = Path(*module.split("."))
    served = model_repository_folder()
    for root in (Path(__file__).resolve().parents[2], *(served / model / "1" for model in SERVED_MODELS)):
        for path in (root / relative.with_suffix(".py"), root / relative / "__init__.py"):
            if path.is_file():
                return path
    return None


def _imports(path: Path) -> Iterator[str]:
    """Names that a file imports: modules, and what `from ... import` takes, which may be a module too."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
