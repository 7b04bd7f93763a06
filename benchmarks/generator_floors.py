"""How fast this machine can be at best: what it reads a second, and its INT8 operations a second.

One sequence reads every weight once for each token, whatever the software: decoding cannot be faster than
bandwidth over bytes, unless a step yields several tokens. A prompt multiplies every weight with every token:
two operations each, the head only once.
"""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

READ_BYTES = 1 << 29
ROWS, WIDTH = 512, 2048
REPEATS = 9


@dataclass(frozen=True, slots=True)
class Machine:
    """What was measured.

    Attributes:
        read_bytes_s: bytes read from memory a second, by all threads.
        int8_operations_s: multiplications and additions of 8-bit integers a second, by all threads.
    """

    read_bytes_s: float
    int8_operations_s: float


@dataclass(frozen=True, slots=True)
class Floors:
    """The best that a model in INT8 can do on a machine.

    Attributes:
        machine: the machine.
        parameters: multiplied for each token that is asked for, the head's among them.
        head_parameters: the head's alone.
    """

    machine: Machine
    parameters: int
    head_parameters: int

    @property
    def decode_tokens_s(self) -> float:
        """Tokens a second of one sequence without speculation."""
        return self.machine.read_bytes_s / self.parameters

    @property
    def prefill_tokens_s(self) -> float:
        """Tokens of a prompt a second, attention not counted."""
        return self.machine.int8_operations_s / (2 * (self.parameters - self.head_parameters))

    def output_tokens_s(self, sequences: int, prompt_tokens: float, new_tokens: int) -> float:
        """Output tokens a second of several sequences, their prompts included."""
        prefill_s = sequences * prompt_tokens / self.prefill_tokens_s
        arithmetic_s = sequences * 2 * self.parameters / self.machine.int8_operations_s
        step_s = max(1 / self.decode_tokens_s, arithmetic_s)
        return sequences * new_tokens / (prefill_s + new_tokens * step_s)


def measure_machine(threads: int) -> Machine:
    """Measure with so many threads; best of several repeats, since neighbours only ever slow down."""
    return Machine(_read_bytes_s(threads), _int8_operations_s(threads))


def _read_bytes_s(threads: int) -> float:
    parts = [np.ones(READ_BYTES // 8 // threads, np.int64) for _ in range(threads)]
    with ThreadPoolExecutor(threads) as pool:
        best_s = _best_s(lambda: list(pool.map(np.bitwise_or.reduce, parts)))
    return READ_BYTES / best_s


def _int8_operations_s(threads: int) -> float:
    import onnxruntime
    from onnx import TensorProto, helper, numpy_helper

    weights = np.random.default_rng(0).integers(-127, 128, (WIDTH, WIDTH)).astype(np.int8)
    graph = helper.make_graph(
        [helper.make_node("MatMulInteger", ["rows", "weights"], ["products"])],
        "int8",
        [helper.make_tensor_value_info("rows", TensorProto.UINT8, [ROWS, WIDTH])],
        [helper.make_tensor_value_info("products", TensorProto.INT32, [ROWS, WIDTH])],
        [numpy_helper.from_array(weights, "weights")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    rows = {"rows": np.full((ROWS, WIDTH), 7, np.uint8)}
    return 2 * ROWS * WIDTH * WIDTH / _best_s(lambda: session.run(None, rows))


def _best_s(call: Callable[[], object]) -> float:
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times)
