"""CTranslate2 in INT8, converted by its own converter for transformers.

Prompts of one length go as a batch, prompts of different lengths one after another: in one batch the longer
ones would be read token by token behind the shortest.
"""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from generator_peers.contender import Answer, ModelFiles, Recorder


def prepare(model: ModelFiles, folder: Path, precision: str) -> None:
    """Convert; the converter may change the arrays it reads, so this process reads them for itself alone."""
    from ctranslate2.converters import TransformersConverter

    TransformersConverter(str(model.folder)).convert(str(folder), quantization=precision, force=True)
    shutil.copy(model.folder / "tokenizer.json", folder)


def load(folder: Path, precision: str, threads: int) -> "CTranslate2Contender":
    """The generator; its vocabulary turns ids into its tokens."""
    import ctranslate2
    from tokenizers import Tokenizer

    generator = ctranslate2.Generator(
        str(folder), device="cpu", compute_type=precision, inter_threads=1, intra_threads=threads
    )
    return CTranslate2Contender(generator, Tokenizer.from_file(str(folder / "tokenizer.json")))


class CTranslate2Contender:
    """A generator of CTranslate2.

    Args:
        generator: loaded.
        tokenizer: the model's.
    """

    def __init__(self, generator: Any, tokenizer: Any) -> None:
        self._generator, self._tokenizer = generator, tokenizer

    def answer(self, prompts: Sequence[Sequence[int]], new_tokens: int) -> list[Answer]:
        """One batch if the prompts have one length, else one prompt after another."""
        recorder = Recorder(len(prompts))
        same_length = len({len(prompt) for prompt in prompts}) == 1
        groups = [range(len(prompts))] if same_length else [range(i, i + 1) for i in range(len(prompts))]
        for group in groups:
            self._generate([prompts[index] for index in group], group.start, new_tokens, recorder)
        return recorder.answers()

    def _generate(
        self, prompts: Sequence[Sequence[int]], first: int, new_tokens: int, recorder: Recorder
    ) -> None:
        def record(result: Any) -> bool:
            recorder.add(first + result.batch_id, result.token_id)
            return False

        self._generator.generate_batch(
            [[self._tokenizer.id_to_token(token_id) for token_id in prompt] for prompt in prompts],
            max_length=new_tokens,
            end_token=[0],
            sampling_topk=1,
            include_prompt_in_result=False,
            callback=record,
        )
