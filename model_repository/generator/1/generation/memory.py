"""What a generator takes of memory: weights, caches of all slots, and the activations of its largest step.

Weights count as they lie in their files; what ONNX Runtime packs anew when it loads them comes on top, up to
about as much again. Activations are a bound from the shapes of the largest step that the settings allow: its
rows times everything that one layer gives a row, as if nothing were given back before its end, and the scores
of its output rows, twice, since sampling works on a copy. What an operator needs inside is not counted.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from generation.adapter import ModelAdapter
from generation.errors import SettingsError
from generation.settings import ServingSettings

FLOAT_BYTES = 4
MB = 1_000_000


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
    ) -> Self:
        """What a loaded model takes.

        Args:
            folder: its version folder.
            adapter: the model.
            settings: how many rows a step may have.
            layer_channels: channels that all operations of the widest layer give a row, added up.
            encoder_layer_channels: the same of the encoder, which reads a whole source at once.
        """
        outputs = settings.slots * (1 + settings.max_draft_tokens)
        rows = settings.prefill_chunk + outputs
        floats = rows * layer_channels + 2 * outputs * adapter.vocabulary_size
        floats += adapter.source_capacity * encoder_layer_channels
        return cls(
            weights=sum(path.stat().st_size for path in folder.glob("*.onnx*")),
            caches=adapter.cache_bytes,
            activations=FLOAT_BYTES * floats,
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
