"""Plants a fault in a repository and gives what lint says of it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from triton_rag_export.repository import lint, read_config, write_config

Change = Callable[[Any], object]


def findings_about(repository: Path, file: str) -> list[str]:
    """What lint says of a file, but for the hash that the planting changed."""
    found = [finding for finding in lint(repository) if str(finding.file) == file]
    assert all(finding.advice for finding in found)
    return [finding.problem for finding in found if not finding.problem.startswith("has changed")]


def plant(repository: Path, model: str, change: Change) -> list[str]:
    """Change a model's config, and give what lint says of it."""
    path = repository / model / "config.pbtxt"
    config = read_config(path)
    change(config)
    write_config(config, path)
    return findings_about(repository, f"{model}/config.pbtxt")


def step_of(config: Any, model: str) -> Any:
    return next(step for step in config.ensemble_scheduling.step if step.model_name == model)


def input_of(config: Any, name: str) -> Any:
    return next(tensor for tensor in config.input if tensor.name == name)
