"""`triton-rag loadtest`: rate, latency and failures under load, or the highest rate within targets."""

import asyncio

import typer

from triton_rag_client.commands import arguments as connected
from triton_rag_client.commands import loadtest_arguments as given
from triton_rag_client.commands.loadtest_compare import ComparisonTest
from triton_rag_client.commands.loadtest_run import LoadTest, run_to_the_end
from triton_rag_client.load import OpenLoop, check_service, parse_slo
from triton_rag_client.load.histograms import require_histograms

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
    questions: given.Questions = None,
    zipf: given.Zipf = None,
    seed: given.Seed = 0,
    json_file: given.JsonFile = None,
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

    Two servers are compared: in turn, under the same loads, with the ratios of what they did.

    Ctrl-C ends it: the levels or rounds before are shown and written. Exit code: 130 then, 1 after an error.
    """
    require_histograms()
    given.check_repeats(repeats)
    targets = parse_slo(slo) if slo is not None else None
    loads = given.loads(concurrency, rates, arrivals, seed, is_search=targets is not None)
    connection = connected.Connection(url, timeout_s, headers, ca_file, certificate_file, key_file)
    asked = given.asked_questions(questions, zipf, seed)
    contestants = given.contestants(servers, against, connection, max_tokens, retriever)
    if len(contestants) == 2:
        given.check_compared(loads)
        comparison = ComparisonTest(contestants, loads, asked, targets, seconds, max_tokens)
        run_to_the_end(comparison, lambda: comparison.run(rounds), json_file)
        return
    service = context.with_resource(contestants[0].serving())
    run = LoadTest(service, asked, targets, seconds)
    asyncio.run(check_service(service, asked))

    def steps() -> None:
        if targets is not None and not loads:
            run.search(targets, OpenLoop(1.0, arrivals, seed), precision, repeats)
        for load in loads:
            run.measure(load)

    run_to_the_end(run, steps, json_file)
