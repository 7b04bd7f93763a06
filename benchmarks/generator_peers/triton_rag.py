"""Ours: the exported graph behind the engine that serves it, INT8 on a CPU or, as "fp16 cuda", on a GPU.

The engine counts tokens by text deltas, as its clients see them: where the first text holds several tokens,
`first_tokens` says so.
"""

import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from generator_peers.contender import CONTEXT_TOKENS, SLOTS, Answer, ModelFiles

if TYPE_CHECKING:
    from generation import Delta, Engine

SERVED = Path(__file__).resolve().parents[2] / "model_repository" / "generator" / "1"
LONGEST_ANSWER = 256
CACHE: Literal["fp16"] = "fp16"
"""What a recipe chooses by default for INT8 and FP16."""

SOURCES, SOURCE_CHARACTERS = 16, 1500
"""How many texts calibrate an encoder-decoder model, and how long each is."""


def prepare(model: ModelFiles, folder: Path, precision: str) -> None:
    """Export the graph, calibrated on Python's documentation; nothing ends an answer but its length."""
    import pydoc_data.topics

    import triton_rag_export  # noqa: F401  (makes the served packages importable)
    from triton_rag_export.graph.model_source import ModelSource

    texts = tuple(pydoc_data.topics.topics[topic] for topic in sorted(pydoc_data.topics.topics))
    export = _export_causal if model.gguf else _export_encoder_decoder
    report = export(ModelSource("benchmark", model.folder), *_precision_and_device(precision), texts, folder)
    print(
        f"ours {precision}: KL to transformers {report.kl:.4f}, top-1 agreement {report.top1_agreement:.3f}"
    )
    description = folder / "generator.json"
    fields = json.loads(description.read_text(encoding="utf-8"))
    description.write_text(json.dumps({**fields, "end_token_ids": []}), encoding="utf-8")


def _precision_and_device(precision: str) -> tuple[Any, Any]:
    precision, _, device = precision.partition(" ")
    return precision, device or "cpu"


def _export_causal(source: Any, precision: Any, device: Any, texts: tuple[str, ...], folder: Path) -> Any:
    from triton_rag_export.graph.causal import CausalExport, export_causal

    settings = CausalExport(precision, 2048, calibration_texts=texts, cache=CACHE, device=device)
    return export_causal(source, settings, folder)


def _export_encoder_decoder(
    source: Any, precision: Any, device: Any, texts: tuple[str, ...], folder: Path
) -> Any:
    from triton_rag_export.graph.encoder_decoder import EncoderDecoderExport, export_encoder_decoder

    texts = tuple(text[:SOURCE_CHARACTERS] for text in texts[:SOURCES])
    settings = EncoderDecoderExport(
        precision=precision,
        source_tokens=CONTEXT_TOKENS,
        target_tokens=LONGEST_ANSWER,
        calibration_texts=texts,
        cache=CACHE,
        device=device,
    )
    return export_encoder_decoder(source, settings, folder)


def load(folder: Path, precision: str, threads: int) -> "EngineContender":
    """The engine over the folder, with the settings that serving has by default but for its sizes."""
    sys.path.insert(0, str(SERVED))
    from generation import ServingSettings
    from generation.loading import load_engine

    ServingSettings(
        slots=SLOTS,
        context_tokens=CONTEXT_TOKENS,
        max_tokens=LONGEST_ANSWER,
        default_max_tokens=LONGEST_ANSWER,
        threads=threads,
    ).save(folder)
    return EngineContender(load_engine(folder), sum(path.stat().st_size for path in folder.glob("*.onnx*")))


class EngineContender:
    """The engine of one adapter.

    Args:
        engine: not started yet.
        weight_bytes: of the graph on disk.
    """

    def __init__(self, engine: "Engine", weight_bytes: int) -> None:
        engine.start()
        self.engine = engine
        self._weight_bytes = weight_bytes

    def answer(self, prompts: Sequence[Sequence[int]], new_tokens: int) -> list[Answer]:
        """Submit all prompts and wait for all answers."""
        start = time.perf_counter()
        sinks = [self.submit(prompt, new_tokens) for prompt in prompts]
        return [sink.timed(start) for sink in sinks]

    def submit(self, prompt: Sequence[int], new_tokens: int) -> "TimedSink":
        """Hand one prompt over without waiting."""
        from generation import GenerationOptions

        sink = TimedSink()
        self.engine.submit(list(prompt), GenerationOptions(max_tokens=new_tokens), sink)
        return sink

    def arrivals(
        self, schedule: Sequence[tuple[float, Sequence[int], int]], *, batched: bool
    ) -> list[tuple[float, float]]:
        """Answer requests that arrive by a schedule; see `generator_arrivals`."""
        from generator_arrivals import play

        return play(self, schedule, batched=batched)

    def memory(self) -> dict[str, int]:
        """Bytes of weights, of the caches of all slots, and the peak of this process (VmHWM)."""
        status = Path("/proc/self/status").read_text(encoding="ascii")
        peak_kb = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))
        return {"weights": self._weight_bytes, "cache": self.engine.cache_bytes, "peak": peak_kb * 1024}


class TimedSink:
    """A sink that keeps the time of each delta."""

    def __init__(self) -> None:
        from generation import AnswerCollector

        self._collector = AnswerCollector()
        self._times: list[tuple[float, int]] = []
        self.fail = self._collector.fail
        self.is_cancelled = self._collector.is_cancelled

    @property
    def end(self) -> float:
        """When the last delta came, by `time.perf_counter`."""
        return self._times[-1][0]

    def send(self, delta: "Delta") -> None:
        """Keep a delta and its time."""
        if delta.answer_tokens:
            self._times.append((time.perf_counter(), delta.answer_tokens))
        self._collector.send(delta)

    def wait(self) -> None:
        """Wait for the end."""
        self._collector.answer()

    def timed(self, start: float) -> Answer:
        """The answer, once it has ended, in seconds from `start` by `time.perf_counter`."""
        answer = self._collector.answer()
        (first, first_tokens), (end, tokens) = self._times[0], self._times[-1]
        return Answer(first - start, end - start, first_tokens, tokens, text=answer.text)
