"""Targets of a service (service level objectives), as `p95<500ms,ttft<200ms`, and whether a run kept them.

The names are those of the field: time to first token (ttft) and time per output token after it (tpot), as in
vLLM's benchmarks. Goodput is the rate of requests that met every target (Zhong et al., "DistServe", 2024).
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from triton_rag_client.errors import InvalidRequestError
from triton_rag_client.load.records import RequestRecord

__all__ = ["Slo", "Target", "parse_slo"]

_DEFAULT_PERCENT = 95.0
_SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1.0}
_TARGET = re.compile(r"(?:(ttft|tpot)(?:_p([0-9.]+))?|p([0-9.]+))<([0-9.]+)(us|ms|s)")
_ALLOWED = (
    "allowed are p50 to p99.9 of the latency, ttft and tpot (their p95, or such as ttft_p99), each with < "
    "and a time above 0 in us, ms or s: p95<500ms,ttft<200ms"
)


@dataclass(frozen=True, slots=True)
class Target:
    """A percentile of a time, and its limit.

    Attributes:
        time: `latency` of the whole answer, `ttft` (to the first text) or `tpot` (a token after that).
        percent: So many percent of the requests must be below the limit; from 0 to 100, both excluded.
        limit_s: The limit.
    """

    time: Literal["latency", "ttft", "tpot"]
    percent: float
    limit_s: float

    @property
    def name(self) -> str:
        """Such as `p95`, which is of the latency, or `ttft_p95`."""
        return f"{'' if self.time == 'latency' else f'{self.time}_'}p{self.percent:g}"

    def __str__(self) -> str:
        return f"{self.name}<{self.limit_s * 1000:g}ms"

    def value_s(self, record: RequestRecord) -> float:
        """The time of a request; endless when it failed or no text came, zero for the tpot of one token."""
        if record.error is not None:
            return math.inf
        if self.time == "latency":
            return record.latency_s
        if record.first_token_s is None:
            return math.inf
        return record.first_token_s if self.time == "ttft" else record.time_per_token_s or 0.0

    def percentile_s(self, records: Sequence[RequestRecord]) -> float:
        """The nearest-rank percentile over all requests: the one that is compared with the limit."""
        values_s = sorted(self.value_s(record) for record in records)
        # 95% of 20 requests are 19, also where 0.95 * 20 is a little more than 19.
        rank = math.ceil(len(values_s) * self.percent / 100 - 1e-9)
        return values_s[max(rank, 1) - 1]


@dataclass(frozen=True, slots=True)
class Slo:
    """Targets that must hold together."""

    targets: tuple[Target, ...]

    def __str__(self) -> str:
        return ",".join(map(str, self.targets))

    def is_met_by(self, record: RequestRecord) -> bool:
        """Whether a request stayed below every limit."""
        return all(target.value_s(record) < target.limit_s for target in self.targets)

    def is_kept(self, records: Sequence[RequestRecord]) -> bool:
        """Whether a run kept every target; one without requests kept none."""
        return bool(records) and not self.missed(records)

    def missed(self, records: Sequence[RequestRecord]) -> tuple[str, ...]:
        """What a run with requests missed, such as `p95 is 812 ms, the target is <500 ms`."""
        found = ((target, target.percentile_s(records)) for target in self.targets)
        return tuple(
            f"{target.name} is {_duration(value_s)}, the target is <{_duration(target.limit_s)}"
            for target, value_s in found
            if not value_s < target.limit_s
        )


def parse_slo(text: str) -> Slo:
    """Read targets, separated by commas.

    Raises:
        InvalidRequestError: It is not a target, or cannot be one.
    """
    return Slo(tuple(_target(part.strip()) for part in text.split(",")))


def _target(text: str) -> Target:
    found = _TARGET.fullmatch(text.replace(" ", "").lower())
    try:
        if found is None:
            raise ValueError("it has another form")
        time, time_percent, latency_percent, limit, unit = found.groups()
        given = latency_percent or time_percent
        percent = float(given) if given else _DEFAULT_PERCENT
        limit_s = float(limit) * _SECONDS[unit]
        if not 50 <= percent <= 99.9 or not limit_s > 0:
            raise ValueError("a value is out of range")
    except ValueError as error:
        raise InvalidRequestError(f"--slo has {text!r}, which is no target ({error}): {_ALLOWED}") from error
    if time is None:
        return Target("latency", percent, limit_s)
    return Target("ttft" if time == "ttft" else "tpot", percent, limit_s)


def _duration(seconds: float) -> str:
    return "endless (failed)" if math.isinf(seconds) else f"{seconds * 1000:g} ms"
