"""What transformers leaves out of the tokenizer of a GGUF file."""

import mmap
import struct
from pathlib import Path
from typing import Any

# GGUF names a pre-tokenizer; transformers reads "gpt2" vocabularies without it. These split every digit off.
GGUF_PRE_TOKENIZERS_OF_SINGLE_DIGITS = frozenset({"smollm", "starcoder", "refact", "codeshell", "exaone"})


def restore_pre_tokenizer(tokenizer: Any, gguf_file: Path) -> None:
    """Split digits as the model was trained: transformers leaves GGUF's pre-tokenizer out (seen in 5.23)."""
    from tokenizers.pre_tokenizers import Digits, Sequence

    if _gguf_string(gguf_file, b"tokenizer.ggml.pre") in GGUF_PRE_TOKENIZERS_OF_SINGLE_DIGITS:
        backend = tokenizer.backend_tokenizer
        backend.pre_tokenizer = Sequence([Digits(individual_digits=True), backend.pre_tokenizer])


def _gguf_string(gguf_file: Path, key: bytes) -> str | None:
    """A string of a GGUF file's metadata, found by its key: gguf's reader takes seconds to walk a vocabulary.

    Behind a key come the type of its value (4 bytes, 8 is a string), the length (8 bytes), and UTF-8.
    """
    with gguf_file.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        start = content.find(struct.pack("<Q", len(key)) + key + struct.pack("<I", 8))
        if start < 0:
            return None
        start += 8 + len(key) + 4
        (length,) = struct.unpack_from("<Q", content, start)
        return content[start + 8 : start + 8 + length].decode("utf-8")
