"""Texts as token ids, and batches of them padded to the longest."""

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from triton_rag_export.compress.distil_encoder.data import DistillationData
from triton_rag_export.compress.training.flops import FlopMeter
from triton_rag_export.graph.encoder_settings import TextSettings
from triton_rag_export.graph.model_source import ModelSource, load_tokenizer

TokenIds = npt.NDArray[np.int32]


class TextTokenizer:
    """A tokenizer as an encoder's settings want it.

    Args:
        source: the model.
        text: prefixes, and whether letters are lowered first.
        max_tokens: where texts are cut, special tokens included.
    """

    def __init__(self, source: ModelSource, text: TextSettings, max_tokens: int) -> None:
        tokenizer = load_tokenizer(source)
        self.text = text
        self.pad_id = int(tokenizer.pad_token_id or 0)
        self._backend = tokenizer.backend_tokenizer
        self._backend.no_padding()
        self._backend.enable_truncation(max_tokens)

    def encode(self, texts: Sequence[str], prefix: str = "") -> list[TokenIds]:
        """Token ids of each text, special tokens included."""
        lowered = (text.lower() for text in texts) if self.text.lowercase else texts
        encoded = self._backend.encode_batch([prefix + text for text in lowered])
        return [np.array(one.ids, dtype=np.int32) for one in encoded]

    def padded(self, ids: Sequence[TokenIds]) -> dict[str, torch.Tensor]:
        """`input_ids` and `attention_mask`, (texts, most tokens of one of them)."""
        return padded(ids, self.pad_id)


@dataclass(frozen=True, slots=True)
class TokenTexts:
    """All texts of the data, one after the other: queries, passages, others.

    Attributes:
        ids: token ids of each.
        queries: how many of them are queries; they come first.
        passages: how many are passages; they come next.
    """

    ids: Sequence[TokenIds]
    queries: int
    passages: int

    @classmethod
    def of(cls, data: DistillationData, tokenizer: TextTokenizer) -> "TokenTexts":
        """The tokens of some data."""
        text = tokenizer.text
        ids = [
            *tokenizer.encode(data.queries, text.query_prefix),
            *tokenizer.encode(data.passages, text.passage_prefix),
            *tokenizer.encode(data.others),
        ]
        return cls(ids, len(data.queries), len(data.passages))

    @property
    def passage_rows(self) -> range:
        """Where the passages are."""
        return range(self.queries, self.queries + self.passages)


def padded(ids: Sequence[TokenIds], pad_id: int) -> dict[str, torch.Tensor]:
    """Token ids as one tensor, filled up on the right, and where they are."""
    longest = max(len(one) for one in ids)
    tokens = np.full((len(ids), longest), pad_id, dtype=np.int64)
    mask = np.zeros((len(ids), longest), dtype=np.int64)
    for row, one in enumerate(ids):
        tokens[row, : len(one)] = one
        mask[row, : len(one)] = 1
    return {"input_ids": torch.from_numpy(tokens), "attention_mask": torch.from_numpy(mask)}


def encoded(
    encoder: Any,
    ids: Sequence[TokenIds],
    pad_id: int,
    tokens_a_batch: int = 4096,
    meter: FlopMeter | None = None,
) -> npt.NDArray[np.float32]:
    """Vectors (texts, width) of an encoder, in batches of texts of similar length."""
    vectors = np.empty((len(ids), encoder.width), dtype=np.float32)
    device = next(encoder.parameters()).device
    order = sorted(range(len(ids)), key=lambda row: -len(ids[row]))
    start = 0
    with torch.inference_mode():
        while start < len(order):
            count = max(1, tokens_a_batch // len(ids[order[start]]))
            rows = order[start : start + count]
            batch = padded([ids[row] for row in rows], pad_id)
            with meter.counting(batch) if meter else nullcontext():
                found = encoder(**{name: value.to(device) for name, value in batch.items()})
            vectors[rows] = found.cpu().numpy()
            start += count
    return vectors
