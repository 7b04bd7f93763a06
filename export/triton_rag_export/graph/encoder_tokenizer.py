"""The encoder's tokenizer, written for serving: one file that the `tokenizers` library reads by itself."""

from pathlib import Path
from typing import Any

from query_tokenization import QueryTokenizer, TokenizerSettings
from query_tokenization.settings import TOKENIZER_FILE, buckets_up_to
from tokenizers.normalizers import Lowercase
from tokenizers.normalizers import Sequence as NormalizerSequence

from triton_rag_export.errors import ModelSourceError
from triton_rag_export.graph.encoder_settings import EncoderExport, TextSettings
from triton_rag_export.graph.model_source import ModelSource, load_tokenizer


def export_tokenizer(
    source: ModelSource, settings: EncoderExport, text: TextSettings, folder: Path
) -> QueryTokenizer:
    """Write `tokenizer.json` and `query_tokenizer.json`, and load them as they will be served.

    Args:
        source: the model.
        settings: the longest query.
        text: prefix, where texts are cut, and whether all letters are lowered first.
        folder: an existing folder.

    Raises:
        ModelSourceError: the model has no fast tokenizer, or a prefix leaves no room for a text.
    """
    tokenizer = load_tokenizer(source)
    backend = tokenizer.backend_tokenizer
    backend.no_truncation()
    backend.no_padding()
    _refuse_long_prefixes(source, text, backend)
    if text.lowercase:
        own = [backend.normalizer] if backend.normalizer is not None else []
        backend.normalizer = NormalizerSequence([Lowercase(), *own])
    backend.save(str(folder / TOKENIZER_FILE))
    TokenizerSettings(
        buckets=buckets_up_to(text.max_tokens),
        max_tokens=text.max_tokens,
        max_query_characters=settings.max_query_characters,
        query_prefix=text.query_prefix,
        pad_id=tokenizer.pad_token_id or 0,
    ).write(folder)
    return QueryTokenizer.load(folder)


def _refuse_long_prefixes(source: ModelSource, text: TextSettings, backend: Any) -> None:
    prefixes = {"query_prefix": text.query_prefix, "passage_prefix": text.passage_prefix}
    for key, prefix in prefixes.items():
        taken = len(backend.encode(prefix)) if prefix else 0  # special tokens included
        if taken >= text.max_tokens:
            raise ModelSourceError(
                f"encoder.{key} takes {taken} tokens, special tokens included, and {source.name!r} reads "
                f"{text.max_tokens}: nothing is left for a text; shorten it, or raise encoder.max_tokens"
            )
