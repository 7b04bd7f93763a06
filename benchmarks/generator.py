"""The generator against its peers, everything in one run: one request, eight at once, arrivals, T5 and BART.

A token of one sequence costs reading every weight once; eight sequences share that reading; a prompt costs
arithmetic. So what decides is bytes a weight, kernels, and what a step does beside them; and, where an answer
repeats its passages, whether a step yields several tokens. The floor of this machine stands beside each
figure.

Every contender has a process of its own, which is stopped while it is not its turn. Every round gives all of
them the same prompts, never seen before, and medians of the rounds are printed. Decoding is greedy, and
answers end by count. Peers that cannot run here are named with the reason. The last line is one JSON object.
With `--device cuda` ours takes part on a GPU in FP16 as well; peers on a GPU there are none yet.

    pip install 'triton-rag[export,serve,cpu,dev,bench]'
    python benchmarks/generator.py --rounds 7

What is converted once stays in `--cache`; delete a folder there to convert it again.
"""

import argparse
import hashlib
import json
import math
import os
import statistics
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import generator_arrivals as arrivals
import triton_rag_export  # noqa: F401  (makes the served packages importable)
from generator_floors import Floors, measure_machine
from generator_measures import Turn, Turns
from generator_models import causal_model, encoder_decoder_model
from generator_peers import CONTENDERS, ENCODER_DECODERS, ON_CUDA, OURS, SLOTS, ModelFiles, Peer
from generator_report import print_case, print_machine, print_targets
from generator_worker import Worker, WorkerError, prepare, run_apart
from generator_workloads import NEW_TOKENS, Texts, Workloads, sources
from prompting import PromptBuilder
from tokenizers import Tokenizer
from triton_rag_export.kernels import kernel_fingerprint

ROOT = Path(__file__).resolve().parent.parent
RECIPE = ROOT / "recipes" / "python-docs.toml"
CAUSAL_CASES = ("one free", "one rag", "eight free", "eight rag")
CASES = ("one", "eight", "arrivals", "memory", "t5", "bart")
SOURCE_TOKENS, TARGET_TOKENS = 384, 32


def main() -> None:
    """Prepare every contender, time them in turns, print the tables and the JSON line."""
    options = _options()
    run = Run(options)
    cases: dict[str, Turns] = {}
    result: dict[str, Any] = {"benchmark": "generator", "threads": options.threads, "rounds": options.rounds}
    measured: dict[str, float] = {}
    floors = None
    if {"one", "eight", "arrivals", "memory"} & set(options.cases):
        model = run_apart(causal_model, options.cache, RECIPE)
        floors = Floors(run_apart(measure_machine, options.threads), *_parameters(model.folder))
        result["machine"] = print_machine(floors)
        cases |= run.causal(model, measured, result)
    for family in ("t5", "bart"):
        if family in options.cases:
            cases |= run.encoder_decoder(family)
    tokenizer = Tokenizer.from_file(str(options.cache / "model" / "tokenizer.json")) if floors else None
    result["cases"] = {
        case: print_case(case, turns, *((floors, tokenizer) if case in CAUSAL_CASES else (None, None)))
        for case, turns in cases.items()
        if turns
    }
    for name, reason in run.missing.items():
        print(f"left out: {name}: {reason}")
    result["targets"] = print_targets(cases, measured)
    print(json.dumps(result | {"left_out": run.missing}))


class Run:
    """One run of the benchmark.

    Attributes:
        missing: contenders that could not take part, and why.

    Args:
        options: of the command line.
    """

    def __init__(self, options: argparse.Namespace) -> None:
        self.missing: dict[str, str] = {}
        self._options = options
        self._texts = Texts.read(options.data)

    def causal(
        self, model: ModelFiles, measured: dict[str, float], result: dict[str, Any]
    ) -> dict[str, Turns]:
        """Everything about SmolLM2; the ratios of arrivals and memory go to `measured`."""
        options = self._options
        builder = PromptBuilder.load(model.folder / "prompt")
        tokenizer = Tokenizer.from_file(str(model.folder / "tokenizer.json"))
        workloads = Workloads(self._texts, tokenizer, builder)
        chosen = [case for case in CAUSAL_CASES if case.split()[0] in options.cases]
        peers = CONTENDERS if chosen else {OURS: CONTENDERS[OURS]}
        workers = self._workers(peers, model, options.cache / "smollm2")
        cases: dict[str, Turns] = {}
        if chosen:
            rounds = [
                {case: _calls(case, workloads, options.ones) for case in chosen}
                for _ in range(options.warm_ups + options.rounds)
            ]
            cases = self._in_turns(workers, rounds)
        if "arrivals" in options.cases and OURS in workers:
            result["arrivals"] = _arrivals(workers[OURS], workloads, options.quick)
            measured["arrivals"] = result["arrivals"]["ratio"]
        folder = _folder(OURS, CONTENDERS[OURS], options.cache / "smollm2")
        for worker in workers.values():
            worker.close()
        if "memory" in options.cases and folder.exists():
            result["memory"] = _memory(folder, workloads.prompts("rag", SLOTS), options.threads)
            measured["memory"] = result["memory"]["ratio"]
        return cases

    def encoder_decoder(self, family: str) -> dict[str, Turns]:
        """T5 or BART at base dimensions: one source at a time, and eight."""
        options = self._options
        texts = [passage.text for passage in self._texts.passages.values()]
        model = run_apart(encoder_decoder_model, family, options.cache, texts)
        tokenizer = Tokenizer.from_file(str(model.folder / "tokenizer.json"))
        workers = self._workers(ENCODER_DECODERS, model, options.cache / f"{family}-contenders")
        prompts = iter(sources(self._texts, tokenizer, SOURCE_TOKENS, 9))
        one, eight = [next(prompts)], list(prompts)
        calls = {f"{family} ×1": [(one, TARGET_TOKENS)], f"{family} ×8": [(eight, TARGET_TOKENS)]}
        cases = self._in_turns(workers, [calls] * (options.warm_ups + options.rounds))
        for worker in workers.values():
            worker.close()
        return cases

    def _workers(self, peers: dict[str, Peer], model: ModelFiles, folder: Path) -> dict[str, Worker]:
        """Those contenders that can be prepared and loaded."""
        workers = {}
        on_device = ON_CUDA if self._options.device == "cuda" else {}
        for name, peer in (peers | on_device).items():
            if (
                peer.module != CONTENDERS[OURS].module
                and self._options.peers
                and not any(part in name for part in self._options.peers)
            ):
                continue
            own = _folder(name, peer, folder)
            _say(f"{folder.name}: {name}: convert, if need be, and load")
            try:
                prepare(peer, model, own)
                workers[name] = Worker(peer, own, self._options.threads)
            except WorkerError as error:
                self.missing[f"{name} ({folder.name})"] = str(error)
        return workers

    def _in_turns(
        self, workers: dict[str, Worker], rounds: Sequence[dict[str, list[tuple[list[list[int]], int]]]]
    ) -> dict[str, Turns]:
        """Each round's calls, contender by contender; rounds that warm up do not count."""
        turns: dict[str, dict[str, list[Turn]]] = {case: {name: [] for name in workers} for case in rounds[0]}
        for number, cases in enumerate(rounds):
            for case, calls in cases.items():
                for name, worker in list(workers.items()):
                    _say(f"round {number + 1} of {len(rounds)}: {case}: {name}")
                    try:
                        turn = _turn(worker, calls)
                    except WorkerError as error:
                        self.missing[f"{name} ({case})"] = str(error)
                        workers.pop(name).close()
                        continue
                    if number >= self._options.warm_ups:
                        turns[case][name].append(turn)
        counted = self._options.rounds
        return {
            case: {name: own for name, own in by_name.items() if len(own) == counted}
            for case, by_name in turns.items()
        }


def _turn(worker: Worker, calls: Sequence[tuple[list[list[int]], int]]) -> Turn:
    answers = [
        answer for prompts, new_tokens in calls for answer in worker.call("answer", prompts, new_tokens)
    ]
    expected = [new_tokens for prompts, new_tokens in calls for _ in prompts]
    if [answer.tokens for answer in answers] != expected:
        counts = sorted({answer.tokens for answer in answers})
        raise WorkerError(f"it wrote answers of {counts} tokens; asked for: {sorted(set(expected))}")
    return Turn(tuple(len(prompt) for prompts, _ in calls for prompt in prompts), tuple(answers))


def _calls(case: str, workloads: Workloads, ones: int) -> list[tuple[list[list[int]], int]]:
    """The calls of a turn: a few of one prompt, or one of eight."""
    count, workload = case.split()
    new_tokens = NEW_TOKENS[workload]
    if count == "one":
        return [([prompt], new_tokens) for prompt in workloads.prompts(workload, ones)]
    return [(workloads.prompts(workload, SLOTS), new_tokens)]


def _arrivals(worker: Worker, workloads: Workloads, quick: bool) -> dict[str, float]:
    """The highest rates of continuous and of static batching within one p95 target."""
    requests, steps = workloads.mixed(12 if quick else 48), 2 if quick else 5
    alone = [worker.call("answer", [prompt], new_tokens)[0].end_s for prompt, new_tokens in requests[:12]]
    target_s = arrivals.TARGET_TO_MEDIAN * statistics.median(alone)
    low = 0.5 / statistics.mean(alone)

    def p95_s(rate_qps: float, *, batched: bool) -> float:
        _say(f"arrivals: {'static' if batched else 'continuous'} batching at {rate_qps:.2f} requests/s")
        timed = worker.call("arrivals", arrivals.schedule(requests, rate_qps, seed=4), batched=batched)
        return arrivals.percentile_95([end - start for start, end in timed])

    rates = {
        name: arrivals.highest_rate(partial(p95_s, batched=batched), low, target_s, steps)
        for name, batched in (("continuous", False), ("static", True))
    }
    ratio = rates["continuous"] / rates["static"] if rates["static"] else math.inf
    print(
        f"arrivals: p95 of the whole answer within {target_s:.2f} s: continuous {rates['continuous']:.2f} "
        f"requests/s, static batches {rates['static']:.2f} requests/s"
    )
    return {"target_s": target_s, "alone_median_s": statistics.median(alone), **rates, "ratio": ratio}


def _memory(folder: Path, prompts: list[list[int]], threads: int) -> dict[str, float]:
    """Peak memory of ours with all slots at work, against weights and caches, in a fresh process."""
    worker = Worker(CONTENDERS[OURS], folder, threads)
    worker.call("answer", prompts, NEW_TOKENS["rag"])
    found: dict[str, int] = worker.call("memory")
    worker.close()
    needed = found["weights"] + found["cache"]
    print(
        f"memory: peak {found['peak'] / 1e6:.0f} MB; weights {found['weights'] / 1e6:.0f} MB "
        f"and caches {found['cache'] / 1e6:.0f} MB"
    )
    return {**found, "ratio": found["peak"] / needed}


def _folder(name: str, peer: Peer, parent: Path) -> Path:
    """Where a contender is prepared; ours moves on with the code that exports it."""
    slug = name.replace(" ", "-").lower()
    if peer.module != CONTENDERS[OURS].module:
        return parent / slug
    digest = hashlib.sha256()
    for path in sorted((ROOT / "export" / "triton_rag_export" / "graph").glob("*.py")):
        digest.update(path.read_bytes())
    digest.update(kernel_fingerprint().encode())
    return parent / f"{slug}-{digest.hexdigest()[:12]}"


def _parameters(folder: Path) -> tuple[int, int]:
    """How many weights a token is multiplied with, and how many of them are the head's."""
    from safetensors import safe_open

    with safe_open(folder / "model.safetensors", "np") as tensors:
        shapes = {name: tensors.get_slice(name).get_shape() for name in tensors.keys()}  # noqa: SIM118
    matrices = {name: math.prod(shape) for name, shape in shapes.items() if len(shape) == 2}
    return sum(matrices.values()), matrices["model.embed_tokens.weight"]


def _say(progress: str) -> None:
    print(progress, file=sys.stderr, flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cases", nargs="+", choices=CASES, default=CASES, help="default: all")
    parser.add_argument(
        "--peers", nargs="*", metavar="PART", help="only peers with this in their names; default: all"
    )
    parser.add_argument(
        "--device", choices=["cpu", "cuda"], default="cpu", help="cuda: ours takes part on a GPU as well"
    )
    parser.add_argument("--rounds", type=int, default=7, help="how often each contender runs each case")
    parser.add_argument("--quick", action="store_true", help="one round, to see that everything runs")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="threads of every contender")
    parser.add_argument("--cache", type=Path, default=ROOT / "build" / "benchmarks" / "generator")
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    options = parser.parse_args()
    options.rounds, options.warm_ups, options.ones = (1, 0, 1) if options.quick else (options.rounds, 1, 3)
    options.cache.mkdir(parents=True, exist_ok=True)
    return options


if __name__ == "__main__":
    main()
