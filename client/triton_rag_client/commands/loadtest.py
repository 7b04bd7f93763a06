"""`triton-rag loadtest`: rate, latency and failures under load, or the highest rate within targets."""

import asyncio
from pathlib import Path

import typer

from triton_rag_client.commands import arguments as connected
from triton_rag_client.commands import loadtest_arguments as given
from triton_rag_client.commands.loadtest_generator import chosen_generator
from triton_rag_client.commands.loadtest_run import LoadTest
from triton_rag_client.load import OpenLoop, Service, check_service, parse_slo
from triton_rag_client.load.histograms import require_histograms
from triton_rag_client.load.server_facts import read_server_facts
from triton_rag_client.load.service import ONE_ATTEMPT
from triton_rag_client.load_report import require_report_packages

__all__ = ["loadtest"]

_INTERRUPTED = 130  # the shell's code for Ctrl-C


def loadtest(
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
    url: connected.Url = connected.DEFAULT_URL,
    timeout_s: connected.TimeoutS = 120.0,
    headers: connected.Headers = None,
    ca_file: connected.CaFile = None,
    certificate_file: connected.CertificateFile = None,
    key_file: connected.KeyFile = None,
) -> None:
    """Put load on a server and measure it: closed loop, open loop, or the highest rate within targets.

    Ctrl-C ends it: the levels before are shown and written. Exit code: 130 then, 1 after an error.
    """
    _require_packages(report)
    given.check_repeats(repeats)
    targets = parse_slo(slo) if slo is not None else None
    loads = given.asked_loads(concurrency, rates, arrivals, seed, searches=targets is not None)
    connection = connected.Connection(url, timeout_s, headers, ca_file, certificate_file, key_file)
    service = Service(url, lambda: connection.async_client(ONE_ATTEMPT), max_tokens)
    program = chosen_generator(generator, connection, searches=not loads)
    asked = given.asked_questions(questions, zipf, seed, service.make_client)
    asyncio.run(check_service(service, asked))
    run = LoadTest(service, asked, targets, seconds, read_server_facts(url), program)
    is_interrupted = False
    try:
        if targets is not None and not loads:
            run.search(targets, OpenLoop(1.0, arrivals, seed), precision, repeats)
        for load in loads:
            run.measure(load)
    except KeyboardInterrupt:
        is_interrupted = True
    finally:  # an error too leaves the levels before it
        run.show()
        run.write(json_file, report)
    if is_interrupted:
        raise typer.Exit(_INTERRUPTED)


def _require_packages(report: Path | None) -> None:
    require_histograms()
    if report is not None:
        require_report_packages()
