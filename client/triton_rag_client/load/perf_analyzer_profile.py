"""The raw measurements that perf_analyzer writes with `--profile-export-file`, as notes of requests.

The file is JSON but for tensors: their bytes stand in it as they are, neither UTF-8 nor allowed in JSON. They
are kept, so that the numbers in them (tokens of prompt and answer) can be read.
"""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from triton_rag_client.errors import PerfAnalyzerError
from triton_rag_client.load.records import RequestRecord

__all__ = ["INSTEAD", "read_profile", "timed_from_due"]

INSTEAD = "see the server's log, or measure with our own load generator"

_NS = 1e-9
_BYTES_KEPT = "surrogateescape"


def read_profile(content: bytes) -> list[RequestRecord]:
    """The requests in a profile, in the order in which they were sent.

    Raises:
        PerfAnalyzerError: It has another form than expected.
    """
    try:
        experiments = json.loads(content.decode("utf-8", _BYTES_KEPT), strict=False)["experiments"]
        records = [_record(request) for experiment in experiments for request in experiment["requests"]]
    except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        raise PerfAnalyzerError(
            f"the profile of perf_analyzer cannot be read: {error!r}; {INSTEAD}"
        ) from error
    return sorted(records, key=lambda record: record.sent_s)


def timed_from_due(records: Sequence[RequestRecord], due_times_s: Sequence[float]) -> list[RequestRecord]:
    """The requests of an open loop, timed from when they were due.

    When the schedule began is not told: no request was sent before it was due, so that it began no later than
    the request says that was sent least late.

    Args:
        records: In the order in which they were sent.
        due_times_s: When they were due, in seconds from the beginning, ascending.

    Raises:
        PerfAnalyzerError: There are more or fewer requests than were due.
    """
    if len(records) != len(due_times_s):
        raise PerfAnalyzerError(
            f"perf_analyzer measured {len(records)} requests, and {len(due_times_s)} were due; {INSTEAD}"
        )
    pairs = list(zip(records, due_times_s, strict=True))
    begin_s = min(record.sent_s - due_s for record, due_s in pairs)
    return [replace(record, start_s=begin_s + due_s) for record, due_s in pairs]


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
        prompt_tokens=_last_number(outputs, "PROMPT_TOKENS"),
        answer_tokens=_last_number(outputs, "ANSWER_TOKENS"),
        query_characters=len(request["request_inputs"]["QUERY"]),
    )


def _last_number(outputs: Sequence[dict[str, Any]], name: str) -> int | None:
    """The last that was told of it: the response that ends a stream may hold nothing."""
    told = [number for output in outputs if (number := _number(output.get(name))) is not None]
    return told[-1] if told else None


def _number(tensor: Any) -> int | None:
    """The one INT32 of a tensor, as a number or as its bytes; None where it is not told."""
    if isinstance(tensor, int):
        return tensor
    content = tensor.encode("utf-8", _BYTES_KEPT) if isinstance(tensor, str) else b""
    return int.from_bytes(content, "little", signed=True) if len(content) == 4 else None
