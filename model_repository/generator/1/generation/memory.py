"""What a generator takes of memory: weights, caches of all slots, and the activations of its largest step.

Weights count as they lie in their files; what ONNX Runtime packs anew when it loads them comes on top, up to
about as much again. Activations are a bound from the shapes of the largest step that the settings allow: its
rows times everything that one layer gives a row, as if nothing were given back before its end, and the scores
of its output rows, twice, since sampling works on a copy. What an operator needs inside is not counted.

On a GPU attention gathers the keys and values of one layer, and has a score for each row, head and key.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from generation.adapter import ModelAdapter
from generation.errors import SettingsError
from generation.gathered_caches import MOST_PADDING
from generation.settings import ServingSettings

FLOAT_BYTES = 4
MB = 1_000_000
SCORE_COPIES = 3
"""Products, these without what a row does not see, and their softmax."""
GATHERED_COPIES = 2
"""Keys, values and turned keys as they are gathered, each half of a layer's caches, rounded up."""


@dataclass(frozen=True, slots=True)
class GeneratorMemory:
    """Memory in bytes.

    Attributes:
        weights: files of the graphs.
        caches: keys and values of all slots.
        activations: the most that a step's own values take.
    """

    weights: int
    caches: int
    activations: int

    @classmethod
    def of(
        cls,
        folder: Path,
        adapter: ModelAdapter,
        settings: ServingSettings,
        *,
        layer_channels: int,
        encoder_layer_channels: int = 0,
        attention: int = 0,
    ) -> Self:
        """What a loaded model takes.

        Args:
            folder: its version folder.
            adapter: the model.
            settings: how many rows a step may have.
            layer_channels: channels that all operations of the widest layer give a row, added up.
            encoder_layer_channels: the same of the encoder, which reads a whole source at once.
            attention: bytes that attention takes beside.
        """
        outputs = settings.slots * (1 + settings.max_draft_tokens)
        rows = largest_step(settings)
        floats = rows * layer_channels + 2 * outputs * adapter.vocabulary_size
        floats += adapter.source_capacity * encoder_layer_channels
        return cls(
            weights=sum(path.stat().st_size for path in folder.glob("*.onnx*")),
            caches=adapter.cache_bytes,
            activations=FLOAT_BYTES * floats + attention,
        )

    @property
    def total(self) -> int:
        """All of it."""
        return self.weights + self.caches + self.activations

    def __str__(self) -> str:
        weights, caches, activations, total = (
            f"{size / MB:,.1f} MB" for size in (self.weights, self.caches, self.activations, self.total)
        )
        return f"weights {weights}, caches {caches}, activations at most {activations}, together {total}"

    def check(self, most_mb: int) -> None:
        """Refuse a model that takes too much.

        Args:
            most_mb: the most that it may take, in MB of a million bytes; 0: as much as there is.

        Raises:
            SettingsError: it takes more; the message has the numbers.
        """
        if most_mb and self.total > most_mb * MB:
            raise SettingsError(
                f"max_memory_mb is {most_mb}, but the generator takes more: {self}; allow more memory, or "
                "fewer slots, context_tokens or prefill_chunk, or choose a smaller precision or cache"
            )


def largest_step(settings: ServingSettings) -> int:
    """Rows of the largest step: a chunk of prompts, and each slot's next token with its guesses."""
    return settings.prefill_chunk + settings.slots * (1 + settings.max_draft_tokens)


def gathered_attention_bytes(
    settings: ServingSettings, *, heads: int, keys: int, layer_caches: int, source_tokens: int = 0
) -> int:
    """What attention takes on a GPU beside its rows, for the layer that takes most.

    Args:
        settings: how many rows a step may have.
        heads: of queries.
        keys: the most that a row attends to.
        layer_caches: bytes of the layer's keys and values of all slots.
        source_tokens: the longest source that an encoder reads.
    """
    scores = max(MOST_PADDING * largest_step(settings) * keys, source_tokens**2)
    return SCORE_COPIES * FLOAT_BYTES * heads * scores + GATHERED_COPIES * layer_caches
