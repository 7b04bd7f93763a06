"""onnxruntime-genai with graphs of its own builder, INT8 and INT4.

Its continuous batching (`Engine`) needs paged attention, for which ONNX Runtime has no kernel on a CPU; eight
at once are one padded batch.
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from generator_peers.contender import CONTEXT_TOKENS, Answer, ModelFiles, Recorder

NO_TOKEN = 49151
PADDING_ID = 0


def prepare(model: ModelFiles, folder: Path, precision: str) -> None:
    """Run the builder, and name an end token that no answer has."""
    command = [sys.executable, "-m", "onnxruntime_genai.models.builder", "-i", str(model.folder)]
    command += ["-o", str(folder), "-p", precision, "-e", "cpu", "-c", str(folder / "cache")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"the builder failed: {(done.stderr.strip().splitlines() or ['?'])[-1]}")
    path = folder / "genai_config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    config["model"] |= {"eos_token_id": NO_TOKEN, "pad_token_id": PADDING_ID}
    path.write_text(json.dumps(config), encoding="utf-8")


def load(folder: Path, precision: str, threads: int) -> "GenaiContender":
    """The model, with as many threads as the others."""
    import onnxruntime_genai

    config = onnxruntime_genai.Config(str(folder))
    options = {"model": {"decoder": {"session_options": {"intra_op_num_threads": threads}}}}
    config.overlay(json.dumps(options))
    return GenaiContender(onnxruntime_genai.Model(config))


class GenaiContender:
    """A model of onnxruntime-genai.

    Args:
        model: loaded.
    """

    def __init__(self, model: Any) -> None:
        self._model = model

    def answer(self, prompts: Sequence[Sequence[int]], new_tokens: int) -> list[Answer]:
        """One batch, padded on the left."""
        import onnxruntime_genai

        longest = max(map(len, prompts))
        ids = np.full((len(prompts), longest), PADDING_ID, np.int32)
        for row, prompt in enumerate(prompts):
            ids[row, longest - len(prompt) :] = prompt
        recorder = Recorder(len(prompts))
        parameters = onnxruntime_genai.GeneratorParams(self._model)
        parameters.set_search_options(
            do_sample=False, batch_size=len(prompts), max_length=min(longest + new_tokens, CONTEXT_TOKENS)
        )
        generator = onnxruntime_genai.Generator(self._model, parameters)
        generator.append_tokens(ids)
        for _ in range(new_tokens):
            generator.generate_next_token()
            for row, token_id in enumerate(generator.get_next_tokens()):
                recorder.add(row, int(token_id))
        return recorder.answers()
