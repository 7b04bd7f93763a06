"""The sections of the report, each from the results: what was found first, then on what."""

from collections.abc import Iterable, Iterator

from triton_rag_client.load.levels import LevelResult
from triton_rag_client.load.results import AskedQuestion, LoadTestResults
from triton_rag_client.load.tables import duration, latency_table, rate_table
from triton_rag_client.load_report.blocks import Block, Code, Plot, Quote, Section, Table, Words
from triton_rag_client.load_report.findings import breaks_first, holds
from triton_rag_client.load_report.plots import (
    latency_against_throughput,
    latency_distribution,
    over_time,
    stage_waterfall,
)

__all__ = ["report_sections"]

_NO_ANSWERS = Words("No request was answered, so there is nothing to draw.")
_NO_STAGES = Words(
    "Triton's statistics could not be read: they come over `grpc://`, without TLS, from a server that still "
    "runs at the end."
)
_NO_TIMELINE = Words("The results have no series over time.")


def report_sections(results: LoadTestResults) -> tuple[Section, ...]:
    """All of them, in order; questions only where some were asked."""
    sections = [
        Section("Summary", (Words(holds(results)), Words(breaks_first(results)))),
        _throughput(results),
        _histogram(results),
        _stages(results),
        _over_time(results),
        *_search(results),
        *_questions(results),
        _configuration(results),
        _versions(results),
        _machines(results),
    ]
    return tuple(sections)


def _throughput(results: LoadTestResults) -> Section:
    words = Words(
        "One point a level of load. Latency is the time to the whole answer; in an open loop it counts from "
        "when the request should have been sent."
    )
    plot = latency_against_throughput(results.levels)
    table = Table("What went through", rate_table(results.levels))
    return Section("Latency against throughput", (words, plot or _NO_ANSWERS, *_if_levels(results, table)))


def _histogram(results: LoadTestResults) -> Section:
    plot = latency_distribution(results.levels)
    table = Table("Percentiles of every time", latency_table(results.levels))
    return Section("Latency histogram", (plot or _NO_ANSWERS, *_if_levels(results, table)))


def _stages(results: LoadTestResults) -> Section:
    told = [level for level in results.levels if level.stage_times]
    if not told:
        return Section("Where the time goes", (_NO_STAGES,))
    words = Words(
        "From Triton's statistics before and after each level, a mean over its requests. Queue is Triton's "
        "own queue. The generator's time is what the other stages leave of the whole: waiting for a slot "
        "of its engine is in its compute time."
    )
    plots = _drawn(stage_waterfall(level) for level in told)
    table = Table("Queue, compute and share by stage", (_STAGE_HEADING, *_stage_rows(told)))
    return Section("Where the time goes", (words, *plots, table))


_STAGE_HEADING = ("stage", "load", "queue", "compute", "share of the whole")


def _stage_rows(levels: Iterable[LevelResult]) -> Iterator[tuple[str, ...]]:
    for level in levels:
        for stage, share in level.stage_shares.items():
            time = level.stage_times[stage]
            yield stage, str(level.load), duration(time.queue_s), duration(time.compute_s), f"{share:.1%}"


def _over_time(results: LoadTestResults) -> Section:
    plots = _drawn(over_time(level) for level in results.levels)
    return Section("The run over time", plots or (_NO_TIMELINE,))


def _search(results: LoadTestResults) -> Iterator[Section]:
    if results.limit is None:
        return
    rows = (
        (f"{trial.rate_per_s:.4g}", f"{trial.kept} of {trial.runs}", "; ".join(trial.missed) or "–")
        for trial in results.limit.trials
    )
    table = Table(f"Rates tried for {results.slo}", (("requests/s", "runs that kept it", "missed"), *rows))
    notes = (Words(f"{results.limit.note}."),) if results.limit.note else ()
    yield Section("Search of the limit", (table, *notes))


def _questions(results: LoadTestResults) -> Iterator[Section]:
    if results.asked:
        blocks = tuple(block for asked in results.asked for block in _question(asked))
        yield Section("Questions", blocks)
    if results.curl:
        yield Section("The same with curl", (Code(results.curl),))


def _question(asked: AskedQuestion) -> tuple[Block, ...]:
    times = f"first text after {duration(asked.first_text_s)}, all after {duration(asked.seconds)}"
    sources = "; ".join(f"[{number}] {source}" for number, source in enumerate(asked.sources, start=1))
    return Words(f"{asked.question} ({times})"), Quote(asked.answer.strip()), Words(f"Sources: {sources}")


def _configuration(results: LoadTestResults) -> Section:
    generators = ", ".join(sorted({level.measured_by for level in results.levels})) or "–"
    rows = (
        ("measured", results.created),
        ("server", results.url),
        ("loads", "; ".join(str(level.load) for level in results.levels) or "–"),
        ("seconds a level", f"{results.seconds:g}"),
        ("longest answer", f"{results.max_tokens} tokens"),
        ("distinct questions", str(results.distinct_questions)),
        ("targets", results.slo or "none"),
        ("load generator", generators),
    )
    command = (Code(results.command),) if results.command else ()
    notes = (Words(results.load_generator),) if results.load_generator else ()
    return Section("Configuration", (*command, _facts("How it was measured", rows), *notes))


def _versions(results: LoadTestResults) -> Section:
    server, machine = results.server, results.generator_machine
    told = f"{server.name} {server.version}".strip() or "not asked: it tells over grpc:// without TLS"
    rows = [("triton-rag", machine.triton_rag), ("Python", machine.python), ("Triton", told)]
    rows += [(f"model {name}", version) for name, version in server.models.items()]
    return Section("Versions", (_facts("Versions of programs and models", tuple(rows)),))


def _machines(results: LoadTestResults) -> Section:
    machine = results.generator_machine
    rows = (
        ("processor", machine.processor),
        ("cores", str(machine.cores)),
        ("system", machine.system),
    )
    place = (
        "The server ran on the same machine and shared its cores with the load generator."
        if results.server.is_local
        else f"The server ran elsewhere ({results.url}); what its machine is was not measured."
    )
    return Section("Machine", (_facts("What sent the requests", rows), Words(place)))


def _facts(caption: str, rows: tuple[tuple[str, str], ...]) -> Table:
    return Table(caption, (("what", "value"), *rows))


def _if_levels(results: LoadTestResults, table: Table) -> tuple[Table, ...]:
    return (table,) if results.levels else ()


def _drawn(plots: Iterable[Plot | None]) -> tuple[Plot, ...]:
    return tuple(plot for plot in plots if plot is not None)
