"""A run of perf_analyzer over the streaming pipeline, closed or open loop.

Its printed table knows nothing of tokens, and of a streamed answer it times the first response only: its file
of raw timestamps (`--profile-export-file`), which has every response with its tensors, tells all of it. A
number of requests is asked for, since its time windows drop every request that a window cuts, and with
answers of seconds that may be all. One thread sends them: several would each begin at the first question.
"""

import json
import re
import subprocess
import tempfile
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from triton_rag_client.contract import RAG_STREAM
from triton_rag_client.errors import PerfAnalyzerError
from triton_rag_client.load.open_loop import refuse_unsent_rate
from triton_rag_client.load.perf_analyzer_profile import INSTEAD, read_profile, timed_from_due
from triton_rag_client.load.perf_analyzer_program import PerfAnalyzer
from triton_rag_client.load.records import RequestRecord

__all__ = ["check_version", "perf_analyzer_closed_loop", "perf_analyzer_open_loop"]

_OLDEST = (2, 46)  # the oldest that was tried
_VERSION = re.compile(r"Version (\d+)\.(\d+)")
_VERSION_TIMEOUT_S = 60.0
_LAST_LINES = 3
_LEAD_IN_US = 500_000  # before the first request of an open loop is due, so that the connection is there


def check_version(program: PerfAnalyzer) -> None:
    """See to it that a perf_analyzer takes the options that it gets here.

    Raises:
        PerfAnalyzerError: It is too old, does not say how old it is, or cannot be started.
    """
    done = _run([str(program.program), "--version"], program, _VERSION_TIMEOUT_S)
    found = _VERSION.search(done.stdout + done.stderr)
    if found is None or (int(found[1]), int(found[2])) < _OLDEST:
        raise PerfAnalyzerError(
            f"{program.program} ({program.origin}) says of its version {_last_lines(done)!r}: needed is "
            f"{_OLDEST[0]}.{_OLDEST[1]} or newer; take it off PATH, or pip install perf-analyzer"
        )


def perf_analyzer_closed_loop(
    program: PerfAnalyzer,
    grpc_url: str,
    questions: Sequence[str],
    *,
    concurrency: int,
    max_tokens: int,
    requests: int,
    timeout_s: float,
) -> list[RequestRecord]:
    """Stream a given number of answers, so many at any time.

    Args:
        program: The perf_analyzer.
        grpc_url: Such as `grpc://127.0.0.1:8001`.
        questions: Asked in this order, and again from the first when they are used up.
        concurrency: How many requests run at any time.
        max_tokens: Longest answer, in tokens.
        requests: How many requests.
        timeout_s: Longest time for all of it.

    Raises:
        PerfAnalyzerError: It did not end well.
    """
    options = ["--concurrency-range", str(concurrency), "--request-count", str(requests)]
    return _measured(program, grpc_url, questions, options, (), max_tokens, timeout_s)


def perf_analyzer_open_loop(
    program: PerfAnalyzer,
    grpc_url: str,
    questions: Sequence[str],
    *,
    due_times_s: Sequence[float],
    max_tokens: int,
    timeout_s: float,
) -> list[RequestRecord]:
    """Stream answers to requests at given times, and time them from when they were due.

    With `--request-rate-range` it would draw other Poisson distances each run and not tell which; with those
    of a file the load is that of our own generator, request by request.

    Args:
        program: The perf_analyzer.
        grpc_url: Such as `grpc://127.0.0.1:8001`.
        questions: Asked in this order, and again from the first when they are used up.
        due_times_s: When requests are due, in seconds from the beginning, ascending.
        max_tokens: Longest answer, in tokens.
        timeout_s: Longest time for all of it.

    Raises:
        PerfAnalyzerError: It did not end well.
        RateNotSentError: It could not send so fast.
    """
    # Each request waits its line's microseconds after the one before; 0 would be no interval.
    waits_us = [max(1, round((later - earlier) * 1e6)) for earlier, later in pairwise(due_times_s)]
    waits_us.insert(0, _LEAD_IN_US)
    options = ["--request-count", str(len(due_times_s))]
    records = _measured(program, grpc_url, questions, options, waits_us, max_tokens, timeout_s)
    timed = timed_from_due(records, due_times_s)
    refuse_unsent_rate(timed, due_times_s)
    return timed


def _measured(
    program: PerfAnalyzer,
    grpc_url: str,
    questions: Sequence[str],
    options: Sequence[str],
    waits_us: Sequence[int],
    max_tokens: int,
    timeout_s: float,
) -> list[RequestRecord]:
    with tempfile.TemporaryDirectory(prefix="triton-rag-") as work:
        data, intervals, profile = (Path(work) / name for name in ("questions", "intervals", "profile"))
        data = data.with_suffix(".json")  # perf_analyzer tells by it that this is no folder
        data.write_text(json.dumps(_input_data(questions, max_tokens)), encoding="utf-8")
        command = [str(program.program), "-m", RAG_STREAM.name, "-i", "grpc", "--streaming", "--async"]
        command += ["--max-threads", "1", "-u", grpc_url.removeprefix("grpc://")]
        command += ["--input-data", str(data), "--profile-export-file", str(profile), *options]
        if waits_us:
            intervals.write_text("".join(f"{wait_us}\n" for wait_us in waits_us))
            command += ["--request-intervals", str(intervals)]
        done = _run(command, program, timeout_s)
        if done.returncode != 0:
            raise PerfAnalyzerError(
                f"perf_analyzer failed (status {done.returncode}): {_last_lines(done)}; {INSTEAD}"
            )
        if not profile.exists():
            raise PerfAnalyzerError(f"perf_analyzer wrote no profile: {_last_lines(done)}; {INSTEAD}")
        return read_profile(profile.read_bytes())


def _run(command: list[str], program: PerfAnalyzer, timeout_s: float) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            command,
            env=program.environment,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise PerfAnalyzerError(f"perf_analyzer took longer than {timeout_s:g} s; {INSTEAD}") from error
    except OSError as error:
        raise PerfAnalyzerError(f"{program.program} cannot be started ({error}); {INSTEAD}") from error


def _last_lines(done: subprocess.CompletedProcess[str]) -> str:
    """What it said last, in one line."""
    lines = [line.strip() for line in (done.stderr.strip() or done.stdout).splitlines() if line.strip()]
    return " | ".join(lines[-_LAST_LINES:]) or "nothing"


def _input_data(questions: Sequence[str], max_tokens: int) -> dict[str, Any]:
    return {
        "data": [
            {
                "QUERY": {"content": [question], "shape": [1]},
                "MAX_TOKENS": {"content": [max_tokens], "shape": [1]},
            }
            for question in questions
        ]
    }
