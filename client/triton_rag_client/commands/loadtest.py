"""`triton-rag loadtest`: rate, latency and failures under load, or the highest rate within targets."""

import asyncio
from dataclasses import replace
from functools import partial
from pathlib import Path

import typer

from triton_rag_client.commands import arguments as connected
from triton_rag_client.commands import loadtest_arguments as given
from triton_rag_client.commands.contestants import chosen_contestants
from triton_rag_client.commands.loadtest_compare import ComparisonTest
from triton_rag_client.commands.loadtest_generator import chosen_generator
from triton_rag_client.commands.loadtest_questions import asked_questions
from triton_rag_client.commands.loadtest_run import LoadTest, run_to_the_end
from triton_rag_client.load import OpenLoop, check_service, parse_slo
from triton_rag_client.load.histograms import require_histograms
from triton_rag_client.load.server_facts import read_server_facts
from triton_rag_client.load.service import ONE_ATTEMPT
from triton_rag_client.load_report import require_report_packages

__all__ = ["loadtest"]


def loadtest(
    context: typer.Context,
    servers: given.Servers = None,
    concurrency: given.Concurrencies = None,
    rates: given.Rates = None,
    arrivals: given.ArrivalsName = "poisson",
    slo: given.SloText = None,
    precision: given.Precision = 0.05,
    repeats: given.Repeats = 3,
    seconds: given.Seconds = 10.0,
    max_tokens: given.AnswerTokens = 32,
    generator: given.GeneratorName = "own",
    questions: given.Questions = None,
    zipf: given.Zipf = None,
    seed: given.Seed = 0,
    json_file: given.JsonFile = None,
    report: given.ReportFolder = None,
    rounds: given.Rounds = 5,
    against: given.Against = None,
    retriever: connected.RetrieverName = None,
    url: connected.Url = connected.DEFAULT_URL,
    timeout_s: connected.TimeoutS = 120.0,
    headers: connected.Headers = None,
    ca_file: connected.CaFile = None,
    certificate_file: connected.CertificateFile = None,
    key_file: connected.KeyFile = None,
) -> None:
    """Put load on a server and measure it: closed loop, open loop, or the highest rate within targets.

    Two servers are compared, in turn and under the same loads, by the ratios of what they did.
    Ctrl-C ends it: the levels or rounds before are shown and written. Exit code: 130 then, 1 after an error.
    """
    _check_first(report, repeats)
    targets = parse_slo(slo) if slo is not None else None
    loads = given.asked_loads(concurrency, rates, arrivals, seed, searches=targets is not None)
    connection = connected.Connection(url, timeout_s, headers, ca_file, certificate_file, key_file)
    contestants = chosen_contestants(servers, against, connection, max_tokens, retriever)
    if len(contestants) == 2:
        given.check_compared(loads, generator, report)
        asked = asked_questions(questions, zipf, seed)
        comparison = ComparisonTest(contestants, loads, asked, targets, seconds, max_tokens)
        return run_to_the_end(comparison, lambda: comparison.run(rounds), json_file)
    service = context.with_resource(contestants[0].serving())
    served = replace(connection, url=service.url)
    program = chosen_generator(generator, served, searches=not loads)
    asked = asked_questions(questions, zipf, seed, partial(served.async_client, ONE_ATTEMPT))
    asyncio.run(check_service(service, asked))
    test = LoadTest(service, asked, targets, seconds, read_server_facts(service.url), program)
    searched = OpenLoop(1.0, arrivals, seed)
    return run_to_the_end(test, lambda: test.run(loads, searched, precision, repeats), json_file, report)


def _check_first(report: Path | None, repeats: int) -> None:
    given.check_repeats(repeats)
    require_histograms()
    if report is not None:
        require_report_packages()
