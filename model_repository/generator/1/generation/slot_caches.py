"""What adapters ask of the memory of keys and values, however it is laid out, and what binds it to a graph.

The caches are bound to a session once; a step then binds the few small inputs that change, which takes
microseconds. Where they lie in memory, a graph writes them.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from generation.adapter import SlotRows


class SlotCaches(Protocol):
    """Keys and values of all slots and layers: an adapter's own, or those of its sources."""

    @property
    def size_bytes(self) -> int:
        """What all caches take together."""

    def copy_prefix(self, source: int, target: int, tokens: int) -> None:
        """Copy the first tokens of a slot to another one."""

    def bind(self, io_binding: ort.IOBinding, what: str, outputs: Collection[str]) -> None:
        """Bind every cache to what a graph calls it, such as `key_<what>_0`; outputs are the graph's."""

    def parts(self, rows: Sequence[SlotRows]) -> list[list[int]]:
        """Which shares of a step go through the graph together, by their numbers."""

    def step_inputs(self, rows: Sequence[SlotRows]) -> dict[str, npt.NDArray[Any]]:
        """A step's tokens and where they belong, as inputs of a graph."""

    def source_inputs(
        self, slots: Sequence[int], lengths: npt.NDArray[np.int32]
    ) -> dict[str, npt.NDArray[Any]]:
        """Where the sources of a step's shares lie, as inputs of a graph; asked of the sources' caches."""

    def store_inputs(self, slot: int, tokens: int) -> dict[str, npt.NDArray[Any]]:
        """Where a source is to be written, as inputs of a graph; asked of the sources' caches."""


class CacheBinding:
    """A session with caches bound to it; what changes from run to run is bound for each.

    Args:
        session: the graph.
        **caches: of all slots, by what the graph calls them; they must live as long as this.
    """

    def __init__(self, session: ort.InferenceSession, **caches: SlotCaches) -> None:
        self._session = session
        self._io_binding = session.io_binding()
        outputs = [output.name for output in session.get_outputs()]
        for name in outputs:
            self._io_binding.bind_output(name, "cpu")
        for what, each in caches.items():
            each.bind(self._io_binding, what, outputs)

    def run(
        self, inputs: Mapping[str, npt.NDArray[Any]], logits: npt.NDArray[np.float32] | None = None
    ) -> None:
        """Run the graph.

        Args:
            inputs: everything but the caches, by name.
            logits: where the scores go, (outputs of all slots, vocabulary), contiguous; None for a graph
                without. Scores of a row that nobody asked for go nowhere.
        """
        for name, array in inputs.items():
            self._io_binding.bind_input(name, "cpu", 0, array.dtype, array.shape, array.ctypes.data)
        if logits is not None:
            if len(logits) != len(inputs["output_rows"]):
                logits = np.empty((len(inputs["output_rows"]), logits.shape[1]), logits.dtype)
            self._io_binding.bind_output("logits", "cpu", 0, logits.dtype, logits.shape, logits.ctypes.data)
        # Both wait for nothing on a CPU.
        self._io_binding.synchronize_inputs()
        self._session.run_with_iobinding(self._io_binding)
        self._io_binding.synchronize_outputs()


def packed_inputs(rows: Sequence[SlotRows]) -> dict[str, npt.NDArray[np.int64]]:
    """The tokens of a step, one slot's behind another's, and the rows whose scores are wanted."""
    lengths = np.array([len(share.token_ids) for share in rows])
    output_rows = [
        row
        for share, end in zip(rows, np.cumsum(lengths).tolist(), strict=True)
        for row in range(end - share.outputs, end)
    ]
    token_ids = (token for share in rows for token in share.token_ids)
    return {
        "token_ids": np.fromiter(token_ids, np.int64, int(lengths.sum())),
        "output_rows": np.array(output_rows, np.int64),
    }


def run_parts(
    rows: Sequence[SlotRows],
    parts: Sequence[Sequence[int]],
    scores: npt.NDArray[np.float32],
    run: Callable[[Sequence[SlotRows], npt.NDArray[np.float32]], None],
) -> None:
    """Run a step in parts, and put the scores of each where they belong.

    Args:
        rows: the step.
        parts: numbers of the shares that go together, each in one part.
        scores: of all output rows in the order of the rows, (outputs of all slots, vocabulary).
        run: runs some shares and writes their scores.
    """
    if len(parts) == 1:
        run(rows, scores)
        return
    ends = np.cumsum([share.outputs for share in rows])
    for part in parts:
        chosen = [rows[number] for number in part]
        places = [
            place for number in part for place in range(ends[number] - rows[number].outputs, ends[number])
        ]
        written = np.empty((len(places), scores.shape[1]), scores.dtype)
        run(chosen, written)
        scores[places] = written
