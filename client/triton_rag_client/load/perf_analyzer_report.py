"""What perf_analyzer itself says of a run: its CSV (`-f`), and the statistics of each model that it prints.

The CSV adds an ensemble's steps up; only the printed report tells them apart. Of a streamed answer its
latencies are those of the first response.
"""

import csv
import re
from io import StringIO

from triton_rag_client.load.stages import ModelStatistics

__all__ = ["read_csv", "read_models"]

_NS_PER_US = 1000
_MODEL = re.compile(r"^  (\S+), version: \S+\s*$", re.MULTILINE)
_REQUESTS = re.compile(r"Successful request count: (\d+)")
_LATENCY = re.compile(r"Avg request latency: (\d+) usec")


def read_csv(text: str) -> dict[str, float]:
    """The figures of its first row, in its units: microseconds, inferences a second; empty without a row.

    Args:
        text: The file.
    """
    row = next(csv.DictReader(StringIO(text.strip())), {})
    found: dict[str, float] = {}
    for column, value in row.items():
        try:
            found[column] = float(value)
        except (TypeError, ValueError):  # a column of text, or a row of another length
            continue
    return found


def read_models(printed: str, pipeline: str) -> dict[str, ModelStatistics]:
    """What the models did during the run; empty where it does not say.

    Args:
        printed: What it wrote to standard output.
        pipeline: The model that was asked; an ensemble's steps follow it, by name.
    """
    _, _, server = printed.partition("  Server:")
    first, *rest = _MODEL.split(server)
    parts = [(pipeline, first), *zip(rest[0::2], rest[1::2], strict=True)]
    found: dict[str, ModelStatistics] = {}
    for name, part in parts:
        requests, latency_us = _REQUESTS.search(part), _LATENCY.search(part)
        if requests is None or latency_us is None:
            continue
        old = found.get(name, ModelStatistics(0, 0))  # several versions of a model count as one
        count = int(requests[1])
        total_ns = count * int(latency_us[1]) * _NS_PER_US
        found[name] = ModelStatistics(old.requests + count, old.total_ns + total_ns)
    return found
