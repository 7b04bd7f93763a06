"""Check each model by itself: its folder, its batching, and what its kind may not carry."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from triton_rag_export.repository.config import CONFIG_FILE, forwards_to, is_ensemble
from triton_rag_export.repository.findings import REBUILD, RESTORE, Finding

NOT_FOR_ENSEMBLES = ("model_warmup", "instance_group", "optimization")


def check_models(repository: Path, configs: Mapping[str, Any]) -> Iterator[Finding]:
    """Faults that concern one model alone, whatever ensembles make of it."""
    for name, config in configs.items():
        file = Path(name, CONFIG_FILE)
        if config.name and config.name != name:
            yield Finding(
                file, f"name is {config.name!r}, but the folder is {name!r}", "give both the same name"
            )
        yield from _check_versions(repository, name, config)
        yield from _check_cache(file, config, configs)
        target = forwards_to(config)
        if is_ensemble(config):
            yield from _check_ensemble(file, config)
        elif not target and (not config.HasField("dynamic_batching") or config.max_batch_size < 1):
            yield Finding(
                file,
                "dynamic_batching {} and a max_batch_size of at least 1 are missing",
                "add them: without, requests are never joined and the queue has no limit",
            )
        if target and target not in configs:
            yield Finding(
                file,
                f"forwards to {target!r}, which is not in the repository",
                f"add that model, or {REBUILD}",
            )


def is_decoupled(name: str, configs: Mapping[str, Any], above: tuple[str, ...] = ()) -> bool:
    """Whether a model may send any number of responses: by itself, or because a step of the ensemble may.

    Args:
        name: The model.
        configs: All models.
        above: Ensembles that it is a step of; one that contains itself is looked at once.
    """
    config = configs.get(name)
    if config is None or name in above:
        return False
    return bool(config.model_transaction_policy.decoupled) or any(
        is_decoupled(step.model_name, configs, (*above, name)) for step in config.ensemble_scheduling.step
    )


def _check_versions(repository: Path, name: str, config: Any) -> Iterator[Finding]:
    versions = [
        path for path in sorted((repository / name).iterdir()) if path.is_dir() and path.name.isdigit()
    ]
    if not versions:
        yield Finding(
            Path(name), "has no version folder", f"create {name}/1 (empty for an ensemble), or {REBUILD}"
        )
    for version in versions:
        if config.backend == "python" and not (version / "model.py").is_file():
            missing = version.relative_to(repository) / "model.py"
            yield Finding(missing, "is missing", RESTORE)


def _check_cache(file: Path, config: Any, configs: Mapping[str, Any]) -> Iterator[Finding]:
    if config.response_cache.enable and is_decoupled(file.parent.name, configs):
        yield Finding(
            file,
            "response_cache is on, but the model is decoupled or has a decoupled step",
            "remove response_cache: Triton does not cache streams",
        )


def _check_ensemble(file: Path, config: Any) -> Iterator[Finding]:
    for field in NOT_FOR_ENSEMBLES:
        present = config.HasField(field) if field == "optimization" else bool(getattr(config, field))
        if present:
            yield Finding(file, f"an ensemble may not carry {field}", "move it to the steps' own configs")
