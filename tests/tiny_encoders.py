"""Tiny real encoders of several families, with random weights and shapes that fit no kernel well."""

import json
from dataclasses import dataclass
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import AutoConfig, AutoModel, PreTrainedModel, PreTrainedTokenizerFast

SPECIAL_TOKENS = ("<s>", "<pad>", "</s>", "<unk>")


@dataclass(frozen=True, slots=True)
class TinyEncoder:
    """What to build.

    Attributes:
        family: transformers' model type.
        pooling: as sentence-transformers calls it.
        normalize: whether the folder says so.
        width: of the tokens' vectors.
        heads: attention heads.
        inner: width between the feed-forward layers.
        positions: as many tokens as a text may have.
        max_seq_length: sentence-transformers' limit.
        activation: transformers' name of it.
    """

    family: str = "bert"
    pooling: str = "mean"
    normalize: bool = True
    width: int = 30
    heads: int = 3
    inner: int = 37
    positions: int = 50
    max_seq_length: int = 40
    activation: str = "gelu"


def save_tiny_encoder(tiny: TinyEncoder, folder: Path) -> Path:
    """Write the model as sentence-transformers would, and return its folder."""
    tiny_encoder_model(tiny).save_pretrained(folder)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=byte_tokenizer(),
        bos_token="<s>",
        eos_token="</s>",
        cls_token="<s>",
        sep_token="</s>",
        pad_token="<pad>",
        unk_token="<unk>",
        model_max_length=tiny.positions,
        model_input_names=["input_ids", "attention_mask"],
    )
    fast.save_pretrained(folder)
    _save_modules(tiny, folder)
    return folder


def tiny_encoder_model(tiny: TinyEncoder) -> PreTrainedModel:
    """The model, with the vocabulary of `byte_tokenizer`."""
    torch.manual_seed(11)
    first_position = 2 if tiny.family in ("roberta", "xlm-roberta", "mpnet") else 0
    widths = {"hidden_size": tiny.width, "intermediate_size": tiny.inner, "num_attention_heads": tiny.heads}
    names = {"dim": tiny.width, "hidden_dim": tiny.inner, "n_heads": tiny.heads}
    layers = {"n_layers": 2} if tiny.family == "distilbert" else {"num_hidden_layers": 2}
    active = (
        {"activation": tiny.activation} if tiny.family == "distilbert" else {"hidden_act": tiny.activation}
    )
    config = AutoConfig.for_model(
        tiny.family,
        vocab_size=byte_tokenizer().get_vocab_size(),
        max_position_embeddings=tiny.positions + first_position,
        pad_token_id=1,
        initializer_range=0.15,
        **(names if tiny.family == "distilbert" else widths),
        **layers,
        **active,
        **({"embedding_size": tiny.width} if tiny.family in ("albert", "electra") else {}),
    )
    model = AutoModel.from_config(config).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("bias") or "norm" in name.lower():  # transformers starts them at 0 and 1
                parameter.add_(torch.randn_like(parameter) * 0.1)
    return model


def byte_tokenizer() -> Tokenizer:
    """One token a byte, `<s>` and `</s>` around them."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: number for number, token in enumerate([*SPECIAL_TOKENS, *alphabet])}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[], unk_token="<unk>"))
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(list(SPECIAL_TOKENS))
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    return tokenizer


def _save_modules(tiny: TinyEncoder, folder: Path) -> None:
    kinds = ["Transformer", "Pooling", *(["Normalize"] if tiny.normalize else [])]
    paths = ["", "1_Pooling", "2_Normalize"]
    modules = [
        {"idx": number, "name": str(number), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for number, (kind, path) in enumerate(zip(kinds, paths, strict=False))
    ]
    pooling = {
        "word_embedding_dimension": tiny.width,
        f"pooling_mode_{tiny.pooling}_token" + "s" * (tiny.pooling != "cls"): True,
    }
    limits = {"max_seq_length": tiny.max_seq_length, "do_lower_case": False}
    for name, content in (
        ("modules.json", modules),
        ("1_Pooling/config.json", pooling),
        ("sentence_bert_config.json", limits),
    ):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(json.dumps(content), encoding="utf-8")
