"""The plots of a load test, each with a text alternative that says the same with the figures."""

import math
from collections.abc import Iterable, Iterator, Sequence

from triton_rag_client.load.histograms import Distribution, percentile_curve
from triton_rag_client.load.levels import LevelResult
from triton_rag_client.load.tables import duration
from triton_rag_client.load.timeline import Timeline
from triton_rag_client.load_report.blocks import Panel, Plot, Series

__all__ = ["latency_against_throughput", "latency_distribution", "over_time", "stage_waterfall"]

_PERCENTS = ("p50", "p95", "p99")


def latency_against_throughput(levels: Sequence[LevelResult]) -> Plot | None:
    """Percentiles of the latency at the rate of each level; None where nothing was answered."""
    answered = [level for level in levels if level.summary.requests]
    if not answered:
        return None
    rates = tuple(level.summary.requests_per_s for level in answered)
    labels = tuple(str(level.load) for level in answered)
    series = tuple(
        Series(name, rates, tuple(getattr(level.summary.latency_s, name) for level in answered), labels)
        for name in _PERCENTS
    )
    return Plot(
        "latency-against-throughput",
        "Latency against throughput",
        _in_words(
            f"{level.load}: {level.summary.requests_per_s:.2f} requests a second, latency "
            + _percentiles(level.summary.latency_s)
            for level in answered
        ),
        (Panel("requests/s", "latency, s", series),),
    )


def latency_distribution(levels: Sequence[LevelResult]) -> Plot | None:
    """The latency's histogram as its percentiles; None where nothing was answered."""
    answered = [level for level in levels if level.summary.requests]
    if not answered:
        return None
    series = tuple(_curve(level) for level in answered)
    return Plot(
        "latency-histogram",
        "Latency histogram, by percentile",
        _in_words(
            f"{level.load}, {level.summary.latency_s.count} answers: latency "
            f"{_percentiles(level.summary.latency_s)}, largest {duration(level.summary.latency_s.largest)}"
            for level in answered
        ),
        (Panel("percent of the requests", "latency, s", series, "percentiles"),),
    )


def stage_waterfall(level: LevelResult) -> Plot | None:
    """The stages of a mean request, one after the other; None where Triton did not tell them."""
    if not level.stage_times:
        return None
    names = tuple(stage for stage in _in_order(level))
    begins_s: list[float] = []
    end_s = 0.0
    for name in names:
        begins_s.append(end_s)
        end_s += level.stage_times[name].queue_s + level.stage_times[name].compute_s
    queues = tuple(level.stage_times[name].queue_s for name in names)
    computes = tuple(level.stage_times[name].compute_s for name in names)
    queued_until = tuple(begin + queue for begin, queue in zip(begins_s, queues, strict=True))
    return Plot(
        f"stages-{_file_name(str(level.load))}",
        f"Stages of a mean request, {level.load}",
        _in_words(
            f"{name}: queue {duration(level.stage_times[name].queue_s)}, compute "
            f"{duration(level.stage_times[name].compute_s)}, {level.stage_shares.get(name, 0.0):.1%} of "
            "the whole"
            for name in names
        ),
        (
            Panel(
                "time since the request came, s",
                "",
                (
                    Series("queue", tuple(begins_s), queues, names),
                    Series("compute", queued_until, computes, names),
                ),
                "bars",
            ),
        ),
    )


def over_time(level: LevelResult) -> Plot | None:
    """Rate, latency and failures of a run over time; None where there are no notes of it."""
    run = level.timeline
    if run is None or not run.sent:
        return None
    times_s = tuple(number * run.interval_s for number in range(len(run.sent)))

    def rates(name: str, counts: Sequence[int]) -> Series:
        return Series(name, times_s, tuple(count / run.interval_s for count in counts))

    since = "seconds since the first request"
    requests = (rates("sent", run.sent), rates("answered", run.answered))
    latency = (Series("p50", times_s, run.latency_p50_s), Series("largest", times_s, run.latency_largest_s))
    return Plot(
        f"over-time-{_file_name(str(level.load))}",
        f"The run over time, {level.load}",
        _run_in_words(run),
        (
            Panel(since, "requests/s", requests, "steps"),
            Panel(since, "latency, s", latency, "steps"),
            Panel(since, "failed/s", (rates("failed", run.failed),), "steps"),
        ),
    )


def _curve(level: LevelResult) -> Series:
    percents, latencies_s = percentile_curve(level.summary.latency_s)
    return Series(str(level.load), percents, latencies_s)


def _in_order(level: LevelResult) -> Iterator[str]:
    """As a request goes through them; stages that we do not know come last."""
    known = ("query_tokenizer", "query_encoder", "passage_search", "prompt_builder", "generator", "answer")
    yield from (name for name in known if name in level.stage_times)
    yield from (name for name in level.stage_times if name not in known)


def _run_in_words(run: Timeline) -> str:
    seconds = len(run.sent) * run.interval_s
    answered_s = [value for value in run.latency_p50_s if not math.isnan(value)]
    largest_s = [value for value in run.latency_largest_s if not math.isnan(value)]
    most = max(run.answered) / run.interval_s
    text = (
        f"{seconds:g} s in intervals of {run.interval_s:g} s: {sum(run.sent)} requests sent, "
        f"{sum(run.answered)} answered, {sum(run.failed)} failed; at most {most:.4g} answers a second"
    )
    if answered_s:
        text += (
            f"; the median latency of an interval is from {duration(min(answered_s))} to "
            f"{duration(max(answered_s))}, the largest latency {duration(max(largest_s))}"
        )
    lost = [number for number, count in enumerate(run.failed) if count]
    if lost:
        text += f"; failures from second {lost[0] * run.interval_s:g} to {(lost[-1] + 1) * run.interval_s:g}"
    return f"{text}."


def _percentiles(times: Distribution) -> str:
    return ", ".join(f"{name} {duration(getattr(times, name))}" for name in _PERCENTS)


def _in_words(parts: Iterable[str]) -> str:
    return f"{'; '.join(parts)}."


def _file_name(text: str) -> str:
    """Letters, digits, dots and dashes of it."""
    return "-".join("".join(sign if sign.isalnum() or sign == "." else " " for sign in text).split())
