"""Rows for tests of the ledger: an original and a step after it."""

from dataclasses import replace
from typing import Any

from triton_rag_export.evaluate.ledger.row import Comparison, LedgerRow, Size, Speed, Training

ORIGINAL = LedgerRow(
    key="a" * 32,
    recipe="small",
    kind="encoder",
    step="original",
    settings={},
    goals=(),
    parent=None,
    model="f" * 64,
    made="2026-01-02T03:04:05Z",
    size=Size(parameters=1000, nonzero=1000, graph_bytes=4000),
    speed=Speed(latency_p50_ms=2.0, latency_p95_ms=3.0, throughput=500.0, peak_memory_bytes=90_000_000),
    against_parent=None,
    quality={"medquad": {"nDCG@10": 0.8, "recall@10": 0.9, "MRR": 0.7}},
    distance={},
    training=None,
    machine={"processor": "a processor", "cores": 2},
    versions={"torch": "2"},
)


def step_after(parent: LedgerRow = ORIGINAL, **changed: Any) -> LedgerRow:
    """A row of INT8 that is twice as fast and four times as small, and loses nothing."""
    row = replace(
        parent,
        key="b" * 32,
        step="int8",
        settings={"precision": "int8"},
        goals=("smaller", "faster"),
        parent=parent.key,
        size=Size(parameters=1000, nonzero=1000, graph_bytes=1000),
        against_parent=Comparison(
            parent=parent.speed, latency=0.5, throughput=2.0, graph_bytes=0.25, turns=3
        ),
        distance={"medquad": {"cosine": 0.99}},
        training=Training(seconds=60.0, flops=1e12),
    )
    return replace(row, **changed)
