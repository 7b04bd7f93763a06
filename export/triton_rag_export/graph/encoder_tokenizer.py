"""The encoder's tokenizer, written for serving: one file that the `tokenizers` library reads by itself."""

from pathlib import Path

from query_tokenization import QueryTokenizer, TokenizerSettings
from query_tokenization.settings import TOKENIZER_FILE, buckets_up_to
from tokenizers.normalizers import Lowercase
from tokenizers.normalizers import Sequence as NormalizerSequence

from triton_rag_export.graph.encoder_settings import EncoderExport
from triton_rag_export.graph.model_source import ModelSource, load_tokenizer


def export_tokenizer(
    source: ModelSource, settings: EncoderExport, max_tokens: int, folder: Path, *, lowercase: bool
) -> QueryTokenizer:
    """Write `tokenizer.json` and `query_tokenizer.json`, and load them as they will be served.

    Args:
        source: the model.
        settings: prefix and limits.
        max_tokens: where texts are cut.
        folder: an existing folder.
        lowercase: lower all letters first, as sentence-transformers' `do_lower_case` asks.

    Raises:
        ModelSourceError: the model has no fast tokenizer.
    """
    tokenizer = load_tokenizer(source)
    backend = tokenizer.backend_tokenizer
    backend.no_truncation()
    backend.no_padding()
    if lowercase:
        own = [backend.normalizer] if backend.normalizer is not None else []
        backend.normalizer = NormalizerSequence([Lowercase(), *own])
    backend.save(str(folder / TOKENIZER_FILE))
    TokenizerSettings(
        buckets=buckets_up_to(max_tokens),
        max_tokens=max_tokens,
        max_query_characters=settings.max_query_characters,
        query_prefix=settings.query_prefix,
        pad_id=tokenizer.pad_token_id or 0,
    ).write(folder)
    return QueryTokenizer.load(folder)
