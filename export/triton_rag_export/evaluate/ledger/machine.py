"""What times were taken on: figures of two machines are not to be compared."""

import os
import platform
from pathlib import Path
from typing import Any


def describe_machine(threads: int) -> dict[str, Any]:
    """The processor, how many of its cores this process may use, and the memory.

    Args:
        threads: that the measured graphs run with; 0: one for each core.
    """
    cores = len(os.sched_getaffinity(0))
    return {
        "processor": _processor(),
        "architecture": platform.machine(),
        "cores": cores,
        "threads": threads or cores,
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "system": f"{platform.system()} {platform.release()}",
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return platform.processor()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith(("model name", "Model")))
    return next(names, platform.processor())
