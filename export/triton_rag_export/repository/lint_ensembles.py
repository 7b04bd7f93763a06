"""Check what joins an ensemble's steps: names, data types, shapes with their batch dimension, streams."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from triton_rag_export.repository.config import CONFIG_FILE, data_type_name, is_ensemble
from triton_rag_export.repository.findings import REBUILD, Finding
from triton_rag_export.repository.lint_streams import check_streams


@dataclass(frozen=True, slots=True)
class Tensor:
    """A tensor as one side of a map sees it."""

    owner: str
    """Which model declares it, for the message."""
    name: str
    data_type: str
    dims: tuple[int, ...]
    """With the batch dimension where the model has one; -1 is any size."""
    optional: bool


def check_ensembles(configs: Mapping[str, Any]) -> Iterator[Finding]:
    """Faults in the maps of every ensemble."""
    for name, config in configs.items():
        if is_ensemble(config):
            yield from _check_steps(name, config, configs)
            yield from _check_tensors(name, config, configs)
            yield from check_streams(name, config, configs)


def _check_steps(name: str, config: Any, configs: Mapping[str, Any]) -> Iterator[Finding]:
    """Steps whose model, or whose tensors, do not exist."""
    file = Path(name, CONFIG_FILE)
    for step in config.ensemble_scheduling.step:
        model = configs.get(step.model_name)
        if model is None:
            yield Finding(file, f"step {step.model_name!r} is not in the repository", REBUILD)
            continue
        if config.max_batch_size > model.max_batch_size > 0:
            yield Finding(
                file,
                f"max_batch_size {config.max_batch_size} is more than step {step.model_name!r} takes "
                f"({model.max_batch_size})",
                "lower it, or raise the step's",
            )
        for kind, mapped, declared in (
            ("input", step.input_map, model.input),
            ("output", step.output_map, model.output),
        ):
            names = {tensor.name for tensor in declared}
            for key in sorted(set(mapped) - names):
                yield Finding(
                    file,
                    f"{kind}_map of step {step.model_name!r} names {key!r}, which the model does not have",
                    f"use one of {', '.join(sorted(names))}",
                )
        for tensor in model.input:
            if not tensor.optional and tensor.name not in step.input_map:
                yield Finding(
                    file,
                    f"input {tensor.name!r} of step {step.model_name!r} is not mapped",
                    "map it: it is not optional",
                )


def _check_tensors(name: str, config: Any, configs: Mapping[str, Any]) -> Iterator[Finding]:
    """Maps to tensors that nothing makes, that two steps make, or that do not fit."""
    file = Path(name, CONFIG_FILE)
    made: dict[str, Tensor] = {}
    for key, tensor in _made_tensors(name, config, configs):
        if key in made:
            yield Finding(
                file,
                f"tensor {key!r} is made by {made[key].owner} and by {tensor.owner}",
                "rename one of them",
            )
        made.setdefault(key, tensor)
    for key, wanted in _wanted_tensors(name, config, configs):
        if key not in made:
            yield Finding(
                file,
                f"{wanted.owner} wants tensor {key!r} for {wanted.name!r}, but nothing makes it",
                f"map it to one of {', '.join(sorted(made))}",
            )
        else:
            yield from _compare(file, key, made[key], wanted)


def _compare(file: Path, key: str, made: Tensor, wanted: Tensor) -> Iterator[Finding]:
    advice = "change one of the two configs"
    sides = f"tensor {key!r}: {made.owner} gives {{}}, {wanted.owner} wants {{}} for {wanted.name!r}"
    if made.data_type != wanted.data_type:
        yield Finding(file, sides.format(made.data_type, wanted.data_type), advice)
    if not _fits(made.dims, wanted.dims):
        shapes = sides.format(list(made.dims), list(wanted.dims))
        yield Finding(file, f"{shapes} (shapes with their batch dimension)", advice)
    if made.optional and not wanted.optional:
        yield Finding(
            file, f"tensor {key!r} is optional, but {wanted.owner} needs it", "make both optional, or none"
        )


def _fits(made: tuple[int, ...], wanted: tuple[int, ...]) -> bool:
    return len(made) == len(wanted) and all(
        left == right or -1 in (left, right) for left, right in zip(made, wanted, strict=True)
    )


def _made_tensors(name: str, config: Any, configs: Mapping[str, Any]) -> Iterator[tuple[str, Tensor]]:
    for tensor in config.input:
        yield tensor.name, _describe(f"the input of {name}", config, tensor)
    for step in config.ensemble_scheduling.step:
        model = configs.get(step.model_name)
        for tensor in model.output if model is not None else ():
            if tensor.name in step.output_map:
                yield step.output_map[tensor.name], _describe(f"step {step.model_name!r}", model, tensor)


def _wanted_tensors(name: str, config: Any, configs: Mapping[str, Any]) -> Iterator[tuple[str, Tensor]]:
    for step in config.ensemble_scheduling.step:
        model = configs.get(step.model_name)
        for tensor in model.input if model is not None else ():
            if tensor.name in step.input_map:
                yield step.input_map[tensor.name], _describe(f"step {step.model_name!r}", model, tensor)
    for tensor in config.output:
        yield tensor.name, _describe(f"the output of {name}", config, tensor)


def _describe(owner: str, config: Any, tensor: Any) -> Tensor:
    batch = (-1,) if config.max_batch_size > 0 else ()
    return Tensor(
        owner=owner,
        name=tensor.name,
        data_type=data_type_name(tensor.data_type),
        dims=(*batch, *tensor.dims),
        optional=bool(getattr(tensor, "optional", False)),
    )
