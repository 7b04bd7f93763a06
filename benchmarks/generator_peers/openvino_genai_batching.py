"""OpenVINO GenAI in INT8: its continuous batching, without its cache of prefixes.

Its GGUF reader builds the graph from FP16 weights, and NNCF compresses them to INT8, one scale a channel.
"""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from generator_peers.contender import SLOTS, Answer, ModelFiles, Recorder

CACHE_GB = 1
BATCH_TOKENS = 512


def prepare(model: ModelFiles, folder: Path, precision: str) -> None:
    """GGUF in FP16 → OpenVINO's graph → INT8 weights."""
    import nncf
    import openvino
    import openvino_genai
    from gguf import GGMLQuantizationType

    from generator_peers.gguf_files import rewrite_gguf

    gguf = folder / "model.gguf"
    rewrite_gguf(model.gguf, gguf, GGMLQuantizationType.F16)
    openvino_genai.LLMPipeline(str(gguf), "CPU", enable_save_ov_model=True)
    graph = folder / "openvino_model.xml"
    compressed = nncf.compress_weights(
        openvino.Core().read_model(graph), mode=nncf.CompressWeightsMode.INT8_SYM
    )
    openvino.save_model(compressed, folder / "compressed.xml")
    for suffix in (".xml", ".bin"):
        shutil.move(folder / f"compressed{suffix}", graph.with_suffix(suffix))
    gguf.unlink()


def load(folder: Path, precision: str, threads: int) -> "OpenVinoContender":
    """The pipeline."""
    import openvino_genai

    scheduler = openvino_genai.SchedulerConfig()
    scheduler.enable_prefix_caching = False
    scheduler.cache_size = CACHE_GB
    scheduler.max_num_seqs = SLOTS
    scheduler.max_num_batched_tokens = BATCH_TOKENS
    properties = {"INFERENCE_NUM_THREADS": threads}
    pipeline = openvino_genai.ContinuousBatchingPipeline(str(folder), scheduler, "CPU", properties)
    return OpenVinoContender(pipeline)


class OpenVinoContender:
    """A pipeline of OpenVINO GenAI.

    Args:
        pipeline: with continuous batching.
    """

    def __init__(self, pipeline: Any) -> None:
        self._pipeline = pipeline
        self._next_id = 0

    def answer(self, prompts: Sequence[Sequence[int]], new_tokens: int) -> list[Answer]:
        """Add all prompts and step until all have ended."""
        import openvino
        import openvino_genai

        recorder = Recorder(len(prompts))
        config = openvino_genai.GenerationConfig()
        config.max_new_tokens, config.ignore_eos, config.do_sample = new_tokens, True, False
        handles = []
        for prompt in prompts:
            tensor = openvino.Tensor(np.array([list(prompt)], np.int64))
            handles.append(self._pipeline.add_request(self._next_id, tensor, config))
            self._next_id += 1
        while self._pipeline.has_non_finished_requests():
            self._pipeline.step()
            for index, handle in enumerate(handles):
                _record(handle, index, recorder)
        return recorder.answers()


def _record(handle: Any, index: int, recorder: Recorder) -> None:
    while handle.can_read():
        for output in handle.read().values():
            for token_id in output.generated_ids:
                recorder.add(index, int(token_id))
