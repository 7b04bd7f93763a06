"""The figures of a ledger's row, as an artifact: a step that is as it was is not measured again.

Quality is measured on the judged data sets that the recipe names, size on the exported graph, and speed
beside the step before, in turns.
"""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from triton_rag_export.build.artifacts import Artifact
from triton_rag_export.build.candidate_quality import (
    LIBRARIES,
    Figures,
    encoder_quality,
    generator_quality,
)
from triton_rag_export.build.candidates import Candidate, Measuring
from triton_rag_export.build.progress import StepProgress
from triton_rag_export.build.workloads import workload
from triton_rag_export.evaluate.ledger.machine import describe_machine
from triton_rag_export.evaluate.ledger.parameters import count_parameters
from triton_rag_export.evaluate.ledger.timing import time_alone, time_beside_parent

MEASURING_CODE = [
    "triton_rag_export.evaluate.encoder_quality",
    "triton_rag_export.evaluate.generator_answers",
    "triton_rag_export.evaluate.ledger.timing",
]


def measured(
    measuring: Measuring, candidate: Candidate, parent: Candidate | None, original: Candidate
) -> Artifact:
    """Measure a candidate.

    Args:
        measuring: what on.
        candidate: what to measure.
        parent: what it is timed beside; None: alone.
        original: what its distance is taken from.

    Returns:
        An artifact whose facts are `size`, `speed`, `against_parent`, `quality`, `distance` and `machine` of
        a `LedgerRow`.

    Raises:
        ExportError: the data cannot be read, or a graph does not run.
    """
    machine = describe_machine(measuring.context.recipe.serving.threads)

    def make(folder: Path, running: StepProgress) -> dict[str, Any]:
        size = _size(candidate)
        judge = encoder_quality if candidate.kind == "encoder" else generator_quality
        quality, distance = judge(measuring, candidate, original, running)
        running.advance(0, None, "time in turns")
        speed, against_parent = _timed(measuring, candidate, parent)
        return {
            "size": size,
            "speed": speed,
            "against_parent": against_parent,
            "quality": quality,
            "distance": distance,
            "machine": machine,
            "note": _note(size, against_parent, quality),
        }

    graphs = [part.graph.key if part else None for part in (candidate, parent, original)]
    graphs.append(candidate.index.key if candidate.index else None)
    return measuring.context.artifact(
        "measured",
        {"graphs": graphs, "model": candidate.model.fingerprint, "machine": machine, **measuring.decided_by},
        make,
        code=MEASURING_CODE,
        own_code=[__name__, "triton_rag_export.build.candidate_quality", "triton_rag_export.build.workloads"],
        libraries=LIBRARIES,
        title=f"measure the {candidate.kind}: {candidate.step}",
    )


def _size(candidate: Candidate) -> dict[str, int]:
    parameters, nonzero = count_parameters(candidate.model.source, candidate.kind)
    return {
        "parameters": parameters,
        "nonzero": nonzero,
        "graph_bytes": int(candidate.graph.facts["size_bytes"]),
    }


def _timed(
    measuring: Measuring, candidate: Candidate, parent: Candidate | None
) -> tuple[dict[str, Any], dict[str, Any] | None]:
    turns = measuring.context.recipe.ledger.turns
    work = workload(measuring.context, measuring.passages, measuring.prompt, candidate.kind)
    name = f"{candidate.kind} after {candidate.step!r}"
    if parent is None:
        return dataclasses.asdict(time_alone(name, work(candidate.graph.folder), turns)), None
    speed, before, latency, throughput = time_beside_parent(
        name, work(candidate.graph.folder), work(parent.graph.folder), turns
    )
    return dataclasses.asdict(speed), {
        "parent": dataclasses.asdict(before),
        "latency": latency,
        "throughput": throughput,
        "graph_bytes": round(candidate.graph.facts["size_bytes"] / parent.graph.facts["size_bytes"], 4),
        "turns": turns,
    }


def _note(size: Mapping[str, int], against_parent: Mapping[str, Any] | None, quality: Figures) -> str:
    parts = [f"{size['parameters']:,} parameters, {size['graph_bytes'] / 1e6:,.1f} MB"]
    if against_parent is not None:
        parts.append(f"{against_parent['throughput']:.2f} times as fast")
    parts += [
        f"{next(iter(found))} {next(iter(found.values())):.4f} on {name}" for name, found in quality.items()
    ]
    return ", ".join(parts)
