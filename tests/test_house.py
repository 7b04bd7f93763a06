"""The house keeps its rules: who may import whom, how large a file may grow, what names say something."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = {
    "triton_rag_export": ROOT / "export" / "triton_rag_export",
    "triton_rag_server": ROOT / "server" / "triton_rag_server",
    "triton_rag_client": ROOT / "client" / "triton_rag_client",
}
SERVED_PACKAGES = {
    folder.name: folder
    for folder in (ROOT / "model_repository").glob("*/1/*")
    if folder.is_dir() and (folder / "__init__.py").is_file()
}
SOURCES = sorted(
    path
    for folder in ("export", "server", "client", "model_repository", "tests", "benchmarks")
    for path in (ROOT / folder).rglob("*.py")
)
MAX_FILE_LINES = 300
MAX_ADAPTER_LINES = 100
MAX_FUNCTION_LINES = 50
VAGUE_NAMES = {"utils", "util", "helpers", "helper", "common", "misc", "base"}

CLIENT_MAY_IMPORT = {
    "google",
    "grpc",
    "hdrh",
    "httpx2",
    "jinja2",
    "matplotlib",
    "numpy",
    "rich",
    "tritonclient",
    "triton_rag_client",
    "triton_rag_server",
    "typer",
}
SERVED_MAY_IMPORT = {"bm25s", "faiss", "numpy", "onnxruntime", "tokenizers", "triton_python_backend_utils"}


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


def imported_modules(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module.split(".")[0]


def foreign_modules(path: Path) -> set[str]:
    return {name for name in imported_modules(path) if name not in sys.stdlib_module_names}


def test_export_and_client_do_not_import_each_other() -> None:
    for path in PACKAGES["triton_rag_export"].rglob("*.py"):
        assert "triton_rag_client" not in imported_modules(path), relative(path)
    for path in PACKAGES["triton_rag_client"].rglob("*.py"):
        assert "triton_rag_export" not in imported_modules(path), relative(path)


def test_server_imports_the_standard_library_alone() -> None:
    for path in PACKAGES["triton_rag_server"].rglob("*.py"):
        assert foreign_modules(path) <= {"triton_rag_server"}, relative(path)


def test_client_imports_neither_torch_nor_anything_unlisted() -> None:
    for path in PACKAGES["triton_rag_client"].rglob("*.py"):
        assert foreign_modules(path) <= CLIENT_MAY_IMPORT, relative(path)


def test_served_models_import_only_what_a_server_has() -> None:
    for path in (ROOT / "model_repository").rglob("*.py"):
        own_packages = {package.name for package in path.parents[0].parent.iterdir()} | {
            package.name for package in path.parent.iterdir()
        }
        assert foreign_modules(path) <= SERVED_MAY_IMPORT | (own_packages & set(SERVED_PACKAGES)), relative(
            path
        )


def test_only_adapters_know_triton() -> None:
    for path in (ROOT / "model_repository").rglob("*.py"):
        if path.name != "model.py":
            assert "triton_python_backend_utils" not in imported_modules(path), relative(path)


def test_each_served_package_has_a_name_of_its_own() -> None:
    names = [
        folder.name
        for folder in (ROOT / "model_repository").glob("*/1/*")
        if (folder / "__init__.py").is_file()
    ]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_a_file_stays_small_enough_to_hold_in_the_head(path: Path) -> None:
    limit = MAX_ADAPTER_LINES if path.name == "model.py" and path.parent.name.isdigit() else MAX_FILE_LINES
    source = path.read_text(encoding="utf-8")
    assert source.count("\n") <= limit
    assert path.stem not in VAGUE_NAMES
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            assert length <= MAX_FUNCTION_LINES, f"{node.name} has {length} lines"


@pytest.mark.parametrize("package", sorted([*PACKAGES.values(), *SERVED_PACKAGES.values()]), ids=relative)
def test_every_package_names_what_is_public(package: Path) -> None:
    for path in package.rglob("__init__.py"):
        names = {
            target.id
            for node in ast.parse(path.read_text(encoding="utf-8")).body
            for target in (
                [*node.targets] if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
            )
            if isinstance(target, ast.Name)
        }
        assert "__all__" in names, relative(path)
