"""What the pipeline costs on top of its parts, and what one instance holds at once.

Two measurements over a built repository, each against its own peer in the same run:

1. `retrieve` through gRPC at concurrency 1, interleaved with the same steps (tokenize, encode, search) called
   in this process. The difference is Triton: gRPC, the ensemble scheduler and three crossings into a Python
   process. Beside it the floor: an ensemble of three Python models that only pass a string on. Target: 2 ms.
2. Eight `rag` requests at once against eight others one after another, greedy; target: less than three times
   one. No question is asked twice, since the engine keeps what it has read of a prompt. Answers differ in
   length, so that "one" has two meanings: the mean of the eight (one after another they take eight times
   that) and the longest of them (which eight at once cannot beat). Reading a prompt is bound by arithmetic
   and gains nothing from company; writing an answer is bound by the bytes of the weights and does. So the
   ratio falls with longer answers and rises with longer prompts.

Usage: python benchmarks/pipeline.py build/python-docs
The last line is one JSON object.
"""

import argparse
import json
import platform
import random
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import triton_rag_export  # noqa: F401  (makes the served packages importable)
from empty_pipeline import EmptyPipeline
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

FRESH_QUESTIONS = Path(__file__).resolve().parent.parent / "tests" / "data" / "python_questions.jsonl"
TOGETHER = 8


def seconds(call: Callable[[], object]) -> float:
    """Wall-clock time of one call."""
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


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


def ensemble_cost(client: RagClient, floor: EmptyPipeline, repository: Path, rounds: int) -> dict[str, float]:
    """p50 of `retrieve` served, of its steps in process, and of an empty ensemble, interleaved, in ms."""
    in_process = steps_in_process(repository)
    contenders: dict[str, Callable[[str], object]] = {
        "served": client.retrieve,
        "in_process": in_process,
        "empty_ensemble": floor.call,
    }
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for round_number in range(-10, rounds):
        query = f"{QUESTIONS[round_number % len(QUESTIONS)]} ({round_number})"
        for name, call in contenders.items():
            elapsed_ms = 1000 * seconds(partial(call, query))
            if round_number >= 0:  # the first ten warm up
                times[name].append(elapsed_ms)
    p50 = {f"{name}_p50_ms": statistics.median(values) for name, values in times.items()}
    return {**p50, "cost_ms": p50["served_p50_ms"] - p50["in_process_p50_ms"]}


def batching_gain(client: RagClient, rounds: int) -> dict[str, float]:
    """Seconds for eight `rag` requests, one after another and at once, interleaved; medians of the rounds."""
    lines = FRESH_QUESTIONS.read_text(encoding="utf-8").splitlines()
    fresh = [str(json.loads(line)["question"]) for line in lines]
    random.Random(5).shuffle(fresh)
    mean_s, longest_s, eight_s, tokens = [], [], [], 0
    with ThreadPoolExecutor(TOGETHER) as pool:
        for number in range(rounds):
            asked = fresh[2 * TOGETHER * number :][: 2 * TOGETHER]
            alone_s = [seconds(partial(client.ask, question)) for question in asked[:TOGETHER]]
            mean_s.append(statistics.mean(alone_s))
            longest_s.append(max(alone_s))
            started = time.perf_counter()
            tokens += sum(answer.answer_tokens for answer in pool.map(client.ask, asked[TOGETHER:]))
            eight_s.append(time.perf_counter() - started)
    mean, longest, eight = (statistics.median(values) for values in (mean_s, longest_s, eight_s))
    return {
        "mean_of_one_s": mean,
        "longest_of_one_s": longest,
        "eight_s": eight,
        "eight_to_mean": eight / mean,
        "eight_to_longest": eight / longest,
        "answer_tokens": tokens / rounds,
    }


def main() -> None:
    """Serve the repository, measure, print a table and one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("repository", type=Path)
    parser.add_argument("--rounds", type=int, default=200, help="retrieve calls a side")
    parser.add_argument("--answers", type=int, default=5, help="rounds of eight rag requests a side")
    options = parser.parse_args()
    with TritonServer(options.repository) as server, RagClient(server.grpc_url, timeout_s=300) as client:
        client.ask(QUESTIONS[0], max_tokens=4)
        with EmptyPipeline(steps=3) as floor:
            cost = ensemble_cost(client, floor, options.repository, options.rounds)
        gain = batching_gain(client, options.answers)
    print(
        f"retrieve, concurrency 1: served p50 {cost['served_p50_ms']:.2f} ms, "
        f"its steps in process {cost['in_process_p50_ms']:.2f} ms, Triton costs {cost['cost_ms']:.2f} ms; "
        f"an ensemble of three empty steps takes {cost['empty_ensemble_p50_ms']:.2f} ms"
    )
    print(
        f"rag, default options, {gain['answer_tokens']} tokens in eight answers: eight at once "
        f"{gain['eight_s']:.2f} s, one {gain['mean_of_one_s']:.2f} s in the mean (ratio "
        f"{gain['eight_to_mean']:.2f}) and {gain['longest_of_one_s']:.2f} s at most (ratio "
        f"{gain['eight_to_longest']:.2f})"
    )
    print(json.dumps({"machine": platform.processor() or platform.machine(), "retrieve": cost, "rag": gain}))


if __name__ == "__main__":
    main()
