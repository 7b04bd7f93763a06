"""What a contender does in its turn: the work that is timed, by the code that serves.

An encoder's query waits on the reading of weights and on overhead; a batch of passages is arithmetic. A
generator's answer alone is the reading of weights, once a token; a full batch shares each reading. So latency
is taken of one request alone, and throughput of a full batch.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from generation import ServingSettings

BATCH_TEXTS = 32
BATCH_TOKENS = 128
"""A batch of passages: so many texts of so many tokens, or as many as the encoder reads."""


@dataclass(frozen=True, slots=True)
class Turn:
    """What one turn took.

    Attributes:
        latencies_ms: of each request alone.
        throughput: tokens a second of a full batch.
    """

    latencies_ms: tuple[float, ...]
    throughput: float


TakeTurn = Callable[[int], Turn]
"""Does the work of a turn, numbered from 0."""


@dataclass(frozen=True, slots=True)
class EncoderWorkload:
    """Queries alone, and a batch of 32 texts of 128 tokens.

    Attributes:
        folder: graph, settings and tokenizer.
        threads: 0: all cores.
        queries: texts, each embedded alone.
        passages: texts that the batch is filled from, at least one.
    """

    folder: Path
    threads: int
    queries: tuple[str, ...]
    passages: tuple[str, ...]

    def load(self) -> TakeTurn:
        """Load the encoder, in the process that takes the turns."""
        from query_encoding import QueryEncoder
        from query_tokenization import QueryTokenizer

        tokenizer, encoder = QueryTokenizer.load(self.folder), QueryEncoder.load(self.folder, self.threads)
        batch = even_batch(
            tokenizer.encode_texts, self.passages, min(BATCH_TOKENS, tokenizer.settings.max_tokens)
        )
        queries = [query.encode() for query in self.queries]

        def take_turn(number: int) -> Turn:
            latencies = []
            for query in queries:
                start = time.perf_counter()
                rows = tokenizer.encode([query])
                encoder.encode(rows.input_ids, rows.lengths)
                latencies.append((time.perf_counter() - start) * 1000)
            start = time.perf_counter()
            encoder.encode_ragged(batch)
            return Turn(tuple(latencies), sum(map(len, batch)) / (time.perf_counter() - start))

        return take_turn


@dataclass(frozen=True, slots=True)
class GeneratorWorkload:
    """Answers of a fixed length: some alone, then as many at once as there are slots.

    Attributes:
        folder: graph, settings and tokenizer.
        settings: the engine's limits.
        prompts: token ids; each turn takes the next ones, so that none is in a cache from the turn before.
        answer_tokens: length of every answer.
        alone: how many answers a turn times alone.
    """

    folder: Path
    settings: "ServingSettings"
    prompts: tuple[tuple[int, ...], ...]
    answer_tokens: int
    alone: int

    def load(self) -> TakeTurn:
        """Load the engine, in the process that takes the turns."""
        from generation import AnswerCollector, Engine, GenerationOptions
        from generation.loading import load_adapter, load_tokenizer

        adapter = load_adapter(self.folder, self.settings)
        engine = Engine(adapter, load_tokenizer(self.folder), self.settings)
        engine.start()
        slots = self.settings.slots
        options = GenerationOptions(max_tokens=self.answer_tokens, min_tokens=self.answer_tokens)

        def answer(prompts: Sequence[tuple[int, ...]]) -> float:
            start = time.perf_counter()
            collectors = [AnswerCollector() for _ in prompts]
            for prompt, collector in zip(prompts, collectors, strict=True):
                engine.submit(prompt, options, collector)
            for collector in collectors:
                collector.answer()
            return time.perf_counter() - start

        def take_turn(number: int) -> Turn:
            first = number * (self.alone + slots)
            prompts = [self.prompts[(first + n) % len(self.prompts)] for n in range(self.alone + slots)]
            latencies = tuple(answer([prompt]) * 1000 for prompt in prompts[: self.alone])
            return Turn(latencies, slots * self.answer_tokens / answer(prompts[self.alone :]))

        return take_turn


Workload = EncoderWorkload | GeneratorWorkload


def even_batch(
    encode: Callable[[Sequence[str]], list[npt.NDArray[np.int32]]], passages: Sequence[str], tokens: int
) -> list[npt.NDArray[np.int32]]:
    """Token ids of `BATCH_TEXTS` texts of exactly so many tokens: real text, as long as it has to be.

    Args:
        encode: tokenizes texts, cutting them at `tokens` or later.
        passages: texts, at least one that has tokens.
        tokens: of each text, special tokens included.
    """
    batch = []
    for number in range(BATCH_TEXTS):
        text, following = "", number
        while True:
            text = f"{text} {passages[following % len(passages)]}".lstrip()
            (ids,) = encode([text])
            following += 1
            if len(ids) >= tokens:
                break
        batch.append(np.concatenate([ids[: tokens - 1], ids[-1:]]))  # the end token stays
    return batch
