"""Check a repository without starting Triton: everything that would fail at load, or worse, serve wrongly.

Each check lives in the file named after what it looks at, and gives findings.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from triton_rag_export.errors import RepositoryError
from triton_rag_export.repository.config import CONFIG_FILE, read_config
from triton_rag_export.repository.findings import REBUILD, Finding
from triton_rag_export.repository.lint_ensembles import check_ensembles
from triton_rag_export.repository.lint_files import check_files
from triton_rag_export.repository.lint_index import check_index
from triton_rag_export.repository.lint_models import check_models
from triton_rag_export.repository.lint_warmup import check_warmup


def lint(repository: Path) -> tuple[Finding, ...]:
    """All faults of a repository; none when it is ready to serve.

    Args:
        repository: the folder that `triton-rag build` wrote.

    Raises:
        RepositoryError: there is no such folder, or no model in it.
    """
    configs, unreadable = _read_configs(repository)
    return (
        *check_files(repository),
        *unreadable,
        *check_models(repository, configs),
        *check_ensembles(configs),
        *check_warmup(repository, configs),
        *check_index(repository),
    )


def _read_configs(repository: Path) -> tuple[Mapping[str, Any], tuple[Finding, ...]]:
    if not repository.is_dir():
        raise RepositoryError(f"{repository} is not a folder: name the folder that `triton-rag build` wrote")
    folders = [path for path in sorted(repository.iterdir()) if path.is_dir() and path.name[0] not in "._"]
    configs: dict[str, Any] = {}
    findings = []
    for folder in folders:
        try:
            configs[folder.name] = read_config(folder / CONFIG_FILE)
        except RepositoryError as error:
            findings.append(Finding(Path(folder.name, CONFIG_FILE), f"cannot be read ({error})", REBUILD))
    if not folders:
        raise RepositoryError(
            f"{repository} holds no models: name the folder that `triton-rag build` wrote, or build it"
        )
    return configs, tuple(findings)
