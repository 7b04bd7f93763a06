"""CTranslate2 in INT8 for T5 and BART, converted by its own converter for transformers."""

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


def load(folder: Path, precision: str, threads: int) -> "CTranslate2Translator":
    """The translator."""
    import ctranslate2
    from tokenizers import Tokenizer

    translator = ctranslate2.Translator(
        str(folder), device="cpu", compute_type=precision, inter_threads=1, intra_threads=threads
    )
    return CTranslate2Translator(translator, Tokenizer.from_file(str(folder / "tokenizer.json")))


class CTranslate2Translator:
    """A translator of CTranslate2.

    Args:
        translator: loaded.
        tokenizer: the model's.
    """

    def __init__(self, translator: Any, tokenizer: Any) -> None:
        self._translator, self._tokenizer = translator, tokenizer

    def answer(self, prompts: Sequence[Sequence[int]], new_tokens: int) -> list[Answer]:
        """One batch, greedy; the end token is put off until all have their tokens."""
        recorder = Recorder(len(prompts))

        def record(result: Any) -> bool:
            recorder.add(result.batch_id, result.token_id)
            return False

        self._translator.translate_batch(
            [[self._tokenizer.id_to_token(token_id) for token_id in prompt] for prompt in prompts],
            beam_size=1,
            min_decoding_length=new_tokens,
            max_decoding_length=new_tokens,
            callback=record,
        )
        return recorder.answers()
