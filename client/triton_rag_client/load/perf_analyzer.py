"""A run of perf_analyzer over the streaming pipeline, and its raw measurements.

Its printed table knows nothing of tokens: its file of raw timestamps (`--profile-export-file`), which has
every response with its text, does. A number of requests is asked for, since its time windows drop every
request that a window cuts, and with answers of seconds that may be all.
"""

import json
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from triton_rag_client.contract import RAG_STREAM
from triton_rag_client.errors import PerfAnalyzerError
from triton_rag_client.load.perf_analyzer_program import PerfAnalyzer
from triton_rag_client.load.records import RequestRecord

__all__ = ["read_profile", "run_perf_analyzer"]

_NS = 1e-9
_INSTEAD = "see the server's log, or measure with our own load generator"


def run_perf_analyzer(
    program: PerfAnalyzer,
    grpc_url: str,
    questions: Sequence[str],
    *,
    concurrency: int,
    max_tokens: int,
    requests: int,
    timeout_s: float,
) -> list[RequestRecord]:
    """Stream answers, a given number of them.

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
    with tempfile.TemporaryDirectory(prefix="triton-rag-") as work:
        data, profile = Path(work) / "questions.json", Path(work) / "profile.json"
        data.write_text(json.dumps(_input_data(questions, max_tokens)), encoding="utf-8")
        command = [str(program.program), "-m", RAG_STREAM.name, "-i", "grpc", "--streaming", "--async"]
        command += ["-u", grpc_url.removeprefix("grpc://"), "--concurrency-range", str(concurrency)]
        command += ["--request-count", str(requests), "--input-data", str(data)]
        command += ["--profile-export-file", str(profile)]
        try:
            done = subprocess.run(
                command,
                env=program.environment,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=timeout_s,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise PerfAnalyzerError(f"perf_analyzer took longer than {timeout_s:g} s; {_INSTEAD}") from error
        if done.returncode != 0 or not profile.exists():
            lines = (done.stderr or done.stdout).strip().splitlines() or ["no message"]
            raise PerfAnalyzerError(
                f"perf_analyzer failed (status {done.returncode}): {lines[-1]}; {_INSTEAD}"
            )
        return read_profile(profile.read_bytes())


def read_profile(content: bytes) -> list[RequestRecord]:
    """The requests in a file that `--profile-export-file` wrote.

    Raises:
        PerfAnalyzerError: It has another form than expected.
    """
    # Tensors that are no text are written as they are: neither UTF-8 nor allowed in JSON.
    text = content.decode("utf-8", errors="replace")
    try:
        experiments = json.loads(text, strict=False)["experiments"]
        return [_record(request) for experiment in experiments for request in experiment["requests"]]
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise PerfAnalyzerError(
            f"the profile of perf_analyzer cannot be read: {error!r}; {_INSTEAD}"
        ) from error


def _record(request: dict[str, Any]) -> RequestRecord:
    times_ns: list[int] = request["response_timestamps"]
    outputs: list[dict[str, Any]] = request["response_outputs"]
    with_text_ns = [
        time_ns for time_ns, output in zip(times_ns, outputs, strict=True) if output["ANSWER_DELTA"] != ""
    ]
    sent_s = request["timestamp"] * _NS
    return RequestRecord(
        start_s=sent_s,
        sent_s=sent_s,
        text_times_s=tuple(time_ns * _NS for time_ns in with_text_ns),
        end_s=times_ns[-1] * _NS,
    )


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
