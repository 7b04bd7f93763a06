"""What the pipeline costs on top of its parts, and what one instance holds at once.

Two measurements over a built repository, each against its own peer in the same run:

1. `retrieve` through gRPC at concurrency 1, interleaved with the same steps (tokenize, encode, search) called
   in this process. The difference is Triton: gRPC, the ensemble scheduler and three crossings into a Python
   process. Floor: about 0.3 ms a Python step, so 0.9 ms; target 2.0 ms.
2. Eight `rag` requests at once against one, the same questions, greedy, the same number of tokens. Without
   continuous batching the ratio would be 8; the target is below 3.

Usage: python benchmarks/pipeline.py build/python-docs
The last line is one JSON object.
"""

import argparse
import json
import platform
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import triton_rag_export  # noqa: F401  (makes the served packages importable)
from passage_search import PassageSearch, SearchQuery
from query_encoding import QueryEncoder
from query_tokenization import QueryTokenizer
from triton_rag_client import RagClient
from triton_rag_export.evaluate.pipeline import version_folder
from triton_rag_server import TritonServer

QUESTIONS = (
    "How do I join two path components?",
    "What is the difference between a list and a tuple?",
    "How can I run code when a with block ends?",
    "How do I read a CSV file row by row?",
    "What does the global statement do?",
    "How do I measure elapsed time?",
    "How can I make a class attribute read-only?",
    "How do I start a thread?",
)


def milliseconds(call: Callable[[], object]) -> float:
    """Wall-clock time of one call."""
    started = time.perf_counter()
    call()
    return (time.perf_counter() - started) * 1000


def steps_in_process(repository: Path) -> Callable[[str], object]:
    """The three steps of `retrieve`, loaded from the repository as its models load them."""
    tokenizer = QueryTokenizer.load(version_folder(repository, "query_tokenizer"))
    encoder = QueryEncoder.load(version_folder(repository, "query_encoder"))
    search = PassageSearch.load(version_folder(repository, "passage_search"))

    def retrieve(query: str) -> object:
        tokens = tokenizer.encode([query.encode()])
        vectors = encoder.encode(tokens.input_ids, tokens.lengths)
        return search.search([SearchQuery(query, vectors[0], None, None)])

    return retrieve


def ensemble_cost(client: RagClient, repository: Path, rounds: int) -> dict[str, float]:
    """p50 of `retrieve` served and in process, interleaved, in milliseconds."""
    in_process = steps_in_process(repository)
    served_ms, local_ms = [], []
    for round_number in range(-10, rounds):
        query = f"{QUESTIONS[round_number % len(QUESTIONS)]} ({round_number})"
        times = milliseconds(lambda: client.retrieve(query)), milliseconds(lambda: in_process(query))  # noqa: B023
        if round_number >= 0:  # the first ten warm up
            served_ms.append(times[0])
            local_ms.append(times[1])
    served, local = statistics.median(served_ms), statistics.median(local_ms)
    return {"served_p50_ms": served, "in_process_p50_ms": local, "cost_ms": served - local}


def batching_gain(client: RagClient, rounds: int, tokens: int) -> dict[str, float]:
    """Seconds for one `rag` request and for eight at once, interleaved, medians."""
    one_s, eight_s = [], []
    with ThreadPoolExecutor(len(QUESTIONS)) as pool:
        for round_number in range(rounds):
            question = QUESTIONS[round_number % len(QUESTIONS)]
            one_s.append(milliseconds(lambda: client.ask(question, max_tokens=tokens)) / 1000)  # noqa: B023
            eight_s.append(
                milliseconds(lambda: list(pool.map(lambda q: client.ask(q, max_tokens=tokens), QUESTIONS)))
                / 1000
            )
    one, eight = statistics.median(one_s), statistics.median(eight_s)
    return {"one_s": one, "eight_s": eight, "ratio": eight / one, "tokens": tokens}


def main() -> None:
    """Serve the repository, measure, print a table and one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("repository", type=Path)
    parser.add_argument("--rounds", type=int, default=200, help="retrieve calls a side")
    parser.add_argument("--answers", type=int, default=8, help="rounds of one against eight rag requests")
    parser.add_argument("--tokens", type=int, default=32, help="tokens of an answer")
    options = parser.parse_args()
    with TritonServer(options.repository) as server, RagClient(server.grpc_url, timeout_s=300) as client:
        client.ask(QUESTIONS[0], max_tokens=4)
        cost = ensemble_cost(client, options.repository, options.rounds)
        gain = batching_gain(client, options.answers, options.tokens)
    print(f"retrieve, concurrency 1: served p50 {cost['served_p50_ms']:.2f} ms,", end=" ")
    print(f"its steps in process {cost['in_process_p50_ms']:.2f} ms, Triton costs {cost['cost_ms']:.2f} ms")
    print(
        f"rag, {options.tokens} tokens: one {gain['one_s']:.2f} s, eight at once {gain['eight_s']:.2f} s,",
        end=" ",
    )
    print(f"ratio {gain['ratio']:.2f}")
    print(json.dumps({"machine": platform.processor() or platform.machine(), "retrieve": cost, "rag": gain}))


if __name__ == "__main__":
    main()
