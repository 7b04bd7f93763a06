"""Check Triton's rule of streams: a step, and an ensemble's outputs, take tensors of one decoupled origin.

A decoupled step answers any number of times, so Triton cannot pair its responses with tensors that come once,
or from another stream: "receives inputs originated from different decoupled models", at load.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from triton_rag_export.repository.config import CONFIG_FILE
from triton_rag_export.repository.findings import Finding
from triton_rag_export.repository.lint_models import is_decoupled

Origin = str | None
"""The decoupled step nearest upstream; None before any."""


def check_streams(name: str, config: Any, configs: Mapping[str, Any]) -> Iterator[Finding]:
    """Steps and outputs of an ensemble that mix streams."""
    file = Path(name, CONFIG_FILE)
    origins: dict[str, Origin] = {tensor.name: None for tensor in config.input}
    waiting = list(config.ensemble_scheduling.step)
    while ready := [step for step in waiting if all(key in origins for key in step.input_map.values())]:
        for step in ready:
            sources = {origins[key] for key in step.input_map.values()}
            if len(sources) > 1:
                yield _mixed(file, f"step {step.model_name!r}", sources)
            origin = step.model_name if is_decoupled(step.model_name, configs) else max(sources, key=str)
            origins.update(dict.fromkeys(step.output_map.values(), origin))
        waiting = [step for step in waiting if step not in ready]
    sources = {origins[tensor.name] for tensor in config.output if tensor.name in origins}
    if len(sources) > 1:
        yield _mixed(file, "the output", sources)


def _mixed(file: Path, who: str, sources: set[Origin]) -> Finding:
    named = " and ".join(sorted(f"the stream of {source!r}" if source else "no stream" for source in sources))
    return Finding(
        file,
        f"{who} takes tensors of {named}, which Triton refuses (decoupled)",
        "let the tensors ride through the decoupled step",
    )
