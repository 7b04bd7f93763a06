"""The tables of `benchmarks/generator.py`."""

import dataclasses
import statistics
from collections.abc import Mapping
from typing import Any

from generator_floors import Floors
from generator_measures import (
    DECODE,
    METRICS,
    OUTPUT,
    PREFILL,
    TARGETS,
    Turns,
    best_peer,
    common_share,
    median,
    ratio,
)
from generator_peers import OURS, REFERENCE, THROUGHPUT
from rich.console import Console
from rich.table import Table
from tokenizers import Tokenizer

CONSOLE = Console(width=120)
ARRIVALS_TARGET, MEMORY_TARGET = 2.0, 1.3


def print_case(case: str, turns: Turns, floors: Floors | None, tokenizer: Tokenizer | None) -> dict[str, Any]:
    """Print a case's table; its medians, the floor, and each turn's figures."""
    floor = {metric: _floor(metric, turns, floors) for metric in METRICS[case]} if floors and turns else {}
    reads = {metric: value for metric, value in floor.items() if value is not None}
    agreement = _agreement(turns, tokenizer) if tokenizer else {}
    table = Table(
        case, *METRICS[case], *(f"of the floor: {metric}" for metric in reads), "text as transformers'"
    )
    for name, own in turns.items():
        values = [median(own, metric) for metric in METRICS[case]]
        shares = [f"{median(own, metric) / value:.0%}" for metric, value in reads.items()]
        same = f"{agreement[name]:.0%}" if name in agreement else "–"
        table.add_row(name, *[f"{value:.4g}" for value in values], *shares, same)
    if reads:
        table.add_row("floor of this machine", *[_shown(floor[metric]) for metric in METRICS[case]])
    CONSOLE.print(table)
    return {
        "medians": {
            name: {metric: median(own, metric) for metric in METRICS[case]} for name, own in turns.items()
        },
        "turns": {
            name: {metric: [turn.value(metric) for turn in own] for metric in METRICS[case]}
            for name, own in turns.items()
        },
        "floor": reads,
        "text_as_reference": agreement,
    }


def print_targets(cases: Mapping[str, Turns], measured: Mapping[str, float]) -> list[dict[str, Any]]:
    """Print what was aimed at and what was reached.

    Args:
        cases: the turns of each case that ran.
        measured: ratios of arrivals and memory, where they ran.
    """
    rows: list[tuple[str, str, str, str, float, float]] = []
    for target in TARGETS:
        turns = cases.get(target.case, {})
        peer = best_peer(target, turns) if OURS in turns else None
        for ours in (OURS, THROUGHPUT) if peer is not None and target.case.startswith("eight") else (OURS,):
            if peer is not None and ours in turns:
                found = ratio(turns, target.metric, peer, ours)
                rows.append((ours, target.case, target.metric, peer, found, target.least))
    if "arrivals" in measured:
        rows.append(
            (OURS, "arrivals", "requests/s", "static batching", measured["arrivals"], ARRIVALS_TARGET)
        )
    table = Table("", "is × times as good", "figure", "as", "×", "target", "")
    reached = []
    for ours, case, metric, peer, found, least in rows:
        is_reached = found >= least
        table.add_row(ours, case, metric, peer, f"{found:.2f}", f"≥ {least}", "yes" if is_reached else "no")
        reached.append(
            {"ours": ours, "case": case, "metric": metric, "peer": peer, "ratio": found, "least": least}
            | {"reached": is_reached}
        )
    if "memory" in measured:
        found = measured["memory"]
        is_reached = found <= MEMORY_TARGET
        label = (OURS, "memory", "peak", "weights + cache", f"{found:.2f}", f"≤ {MEMORY_TARGET}")
        table.add_row(*label, "yes" if is_reached else "no")
        reached.append({"case": "memory", "ratio": found, "most": MEMORY_TARGET, "reached": is_reached})
    CONSOLE.print(table)
    return reached


def print_machine(floors: Floors) -> dict[str, float]:
    """Print what the machine can do."""
    machine = floors.machine
    CONSOLE.print(
        f"This machine reads {machine.read_bytes_s / 1e9:.1f} GB/s and does "
        f"{machine.int8_operations_s / 1e9:.0f} GOP/s in INT8: at best {floors.decode_tokens_s:.0f} tokens/s "
        f"for one sequence without speculation, {floors.prefill_tokens_s:.0f} tokens/s of a prompt."
    )
    return dataclasses.asdict(machine)


def _floor(metric: str, turns: Turns, floors: Floors) -> float | None:
    turn = next(iter(turns.values()))[0]
    if metric == DECODE:
        return floors.decode_tokens_s
    if metric == PREFILL:
        return floors.prefill_tokens_s
    if metric == OUTPUT:
        prompt_tokens = statistics.mean(turn.prompt_tokens)
        return floors.output_tokens_s(len(turn.answers), prompt_tokens, turn.answers[0].tokens)
    return None


def _agreement(turns: Turns, tokenizer: Tokenizer) -> dict[str, float]:
    """How far each contender's answers are, character by character, those of transformers; the mean share."""
    reference = turns.get(REFERENCE)
    if not reference:
        return {}
    expected = [tokenizer.decode(list(answer.token_ids)) for turn in reference for answer in turn.answers]
    shares = {}
    for name, own in turns.items():
        texts = [
            answer.text or tokenizer.decode(list(answer.token_ids)) for turn in own for answer in turn.answers
        ]
        pairs = zip(texts, expected, strict=True)
        shares[name] = statistics.mean(common_share(text, other) for text, other in pairs if other)
    return shares


def _shown(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}"
