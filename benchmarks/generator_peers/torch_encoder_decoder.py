"""transformers on torch in FP32 for T5 and BART: `generate` over sources of one length."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from generator_peers.contender import Answer, ModelFiles, Recorder
from generator_peers.torch_transformers import StepTimes


def prepare(model: ModelFiles, folder: Path, precision: str) -> None:
    """transformers reads the folder as it is; a link is enough."""
    shutil.rmtree(folder)
    folder.symlink_to(model.folder.resolve())


def load(folder: Path, precision: str, threads: int) -> "TorchEncoderDecoder":
    """The model, in inference mode."""
    import torch
    from transformers import AutoModelForSeq2SeqLM

    torch.set_num_threads(threads)
    return TorchEncoderDecoder(AutoModelForSeq2SeqLM.from_pretrained(folder, dtype=torch.float32).eval())


class TorchEncoderDecoder:
    """An encoder-decoder model of transformers.

    Args:
        model: in float32.
    """

    def __init__(self, model: Any) -> None:
        self._model = model

    def answer(self, prompts: Sequence[Sequence[int]], new_tokens: int) -> list[Answer]:
        """One batch of sources of one length."""
        import torch

        recorder = Recorder(len(prompts))
        ids = torch.tensor([list(prompt) for prompt in prompts])
        with torch.inference_mode():
            self._model.generate(
                ids,
                attention_mask=torch.ones_like(ids),
                max_new_tokens=new_tokens,
                do_sample=False,
                num_beams=1,
                eos_token_id=None,
                stopping_criteria=[StepTimes(recorder)],
            )
        return recorder.answers()
