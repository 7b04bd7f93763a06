"""What `generator.json` says about an encoder-decoder model's graphs."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Self

from generation.description_file import read_description, write_description


@dataclass(frozen=True, slots=True)
class EncoderDecoderDescription:
    """A description, written by export and read when the model is loaded.

    Attributes:
        family: the model type by transformers' name, such as "t5".
        precision: "fp32", "fp16" or "int8".
        heads: heads of the cache of each decoder layer.
        cross_heads: heads of the source's cache of each decoder layer.
        head_size: channels of a head.
        vocabulary_size: the width of the logits.
        start_token_ids: what the decoder reads before it writes anything, at least one.
        end_token_ids: the tokens that end an answer.
        longest_source: tokens that a source may have; None when positions are relative.
        longest_target: tokens that the decoder can read; None when positions are relative.
        layer_channels: channels that all operations of the decoder's widest layer give a row, added up.
        encoder_layer_channels: the same of the encoder.
        cache: what keys and values are kept in, "fp32" or "fp16".
        device: what the graphs were built for, "cpu" or "cuda".
    """

    KIND: ClassVar[str] = "encoder-decoder"

    family: str
    precision: str
    heads: tuple[int, ...]
    cross_heads: tuple[int, ...]
    head_size: int
    vocabulary_size: int
    start_token_ids: tuple[int, ...]
    end_token_ids: frozenset[int]
    longest_source: int | None
    longest_target: int | None
    layer_channels: int
    encoder_layer_channels: int
    cache: str = "fp32"
    device: str = "cpu"

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read the description in a version folder.

        Raises:
            SettingsError: the file is missing, not JSON, or not such a description.
        """
        return read_description(
            cls, folder, tuples=("heads", "cross_heads", "start_token_ids"), kind=cls.KIND
        )

    def save(self, folder: Path) -> Path:
        """Write the description into a version folder.

        Returns:
            The file written.
        """
        return write_description(folder, self, kind=self.KIND)
