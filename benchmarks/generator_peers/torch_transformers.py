"""transformers on torch in FP32: `generate` over prompts padded on the left."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from generator_peers.contender import Answer, ModelFiles, Recorder

PADDING_ID = 0


def prepare(model: ModelFiles, folder: Path, precision: str) -> None:
    """transformers reads the folder as it is; a link is enough."""
    shutil.rmtree(folder)
    folder.symlink_to(model.folder.resolve())


def load(folder: Path, precision: str, threads: int) -> "TransformersContender":
    """The model, in inference mode."""
    import torch
    from transformers import AutoModelForCausalLM

    torch.set_num_threads(threads)
    return TransformersContender(AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval())


class TransformersContender:
    """A causal language model of transformers.

    Args:
        model: in float32.
    """

    def __init__(self, model: Any) -> None:
        self._model = model

    def answer(self, prompts: Sequence[Sequence[int]], new_tokens: int) -> list[Answer]:
        """One batch, timed step by step."""
        import torch

        longest = max(map(len, prompts))
        ids = torch.full((len(prompts), longest), PADDING_ID)
        mask = torch.zeros_like(ids)
        for row, prompt in enumerate(prompts):
            ids[row, longest - len(prompt) :] = torch.tensor(list(prompt))
            mask[row, longest - len(prompt) :] = 1
        recorder = Recorder(len(prompts))
        # A criterion is called once a step with all tokens so far: batches have no streamer.
        seen = StepTimes(recorder)
        with torch.inference_mode():
            self._model.generate(
                ids,
                attention_mask=mask,
                max_new_tokens=new_tokens,
                do_sample=False,
                eos_token_id=None,
                pad_token_id=PADDING_ID,
                stopping_criteria=[seen],
            )
        return recorder.answers()


class StepTimes:
    """A stopping criterion that records each token and stops nothing.

    Args:
        recorder: of the batch.
    """

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    def __call__(self, input_ids: Any, scores: Any, **_: Any) -> Any:
        """Record the newest token of each row; no row is done."""
        import torch

        for row, token_id in enumerate(input_ids[:, -1].tolist()):
            self._recorder.add(row, token_id)
        return torch.zeros(input_ids.shape[0], dtype=torch.bool)
