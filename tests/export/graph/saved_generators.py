"""Tiny generators in folders as Hugging Face lays them out, with a tokenizer of words such as `w017`."""

from pathlib import Path

from export.graph.tiny_causal_models import VOCABULARY
from export.graph.tiny_encoder_decoder_models import END
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from tokenizers.processors import TemplateProcessing
from transformers import PreTrainedModel, PreTrainedTokenizerFast
from triton_rag_export.compress import save_compressed
from triton_rag_export.graph.model_source import ModelSource, resolve_model


def saved(model: PreTrainedModel, folder: Path, *, is_compressed: bool = False) -> ModelSource:
    """A model with a tokenizer; that of an encoder-decoder model ends every source with the end token."""
    if is_compressed:
        save_compressed(model, folder)
    else:
        model.save_pretrained(folder)
    words = {f"w{token:03}": token for token in range(VOCABULARY)}
    backend = Tokenizer(WordLevel(words, unk_token="w000"))
    backend.pre_tokenizer = Whitespace()
    end = f"w{END:03}"
    if model.config.is_encoder_decoder:
        backend.post_processor = TemplateProcessing(single=f"$A {end}", special_tokens=[(end, END)])
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="w000", eos_token=end)
    tokenizer.save_pretrained(folder)
    return resolve_model(str(folder))
