"""An encoder in torch, from token ids to the vector that retrieval compares.

The modules are those of sentence-transformers: a transformer, pooling, a projection where the student is
narrower or wider than its teacher, and normalization. `save` writes them as sentence-transformers lays them
out, so that a recipe can name the folder.
"""

import json
from pathlib import Path
from typing import Any, Self

import torch
from torch import nn

from triton_rag_export.compress.trained_model import save_trained, writing
from triton_rag_export.graph.encoder_limits import most_tokens
from triton_rag_export.graph.encoder_settings import (
    COMPARED_BY_DOT,
    EncoderExport,
    TextSettings,
    text_settings,
)
from triton_rag_export.graph.model_source import ModelSource, load_encoder_model, load_tokenizer
from triton_rag_export.graph.projection import (
    BIAS,
    IDENTITY,
    WEIGHT,
    WEIGHTS_FILE,
    read_projection,
    torch_linear,
)

AS_ITS_FILES_SAY = EncoderExport()
PROMPTS_FILE = "config_sentence_transformers.json"
_PACKAGE = "sentence_transformers.models"


class TorchEncoder(nn.Module):
    """Texts' vectors.

    Args:
        transformer: a transformers encoder without a head.
        text: pooling, normalization and limits.
        width: of the vectors; another one than the transformer's brings a projection without bias.
    """

    def __init__(self, transformer: Any, text: TextSettings, width: int | None = None) -> None:
        super().__init__()
        self.transformer = transformer
        self.text = text
        own = int(transformer.config.hidden_size)
        is_projected = width is not None and width != own
        self.projection = nn.Linear(own, width or own, bias=False) if is_projected else None

    @classmethod
    def load(cls, source: ModelSource, export: EncoderExport = AS_ITS_FILES_SAY) -> Self:
        """An encoder as its files describe it.

        Args:
            source: the model.
            export: pooling, normalization, prefixes and limit where they shall be others.

        Raises:
            ModelSourceError: the files cannot be read, or the limit is out of range.
            UnsupportedModelError: the model pools in a way that is not covered, or has other modules.
        """
        transformer = load_encoder_model(source)
        encoder = cls(transformer, text_settings(source, export, most_tokens(source, transformer.config)))
        projection = read_projection(source, int(transformer.config.hidden_size))
        encoder.projection = None if projection is None else torch_linear(projection)
        return encoder

    @property
    def width(self) -> int:
        """Length of a vector."""
        return int(
            self.transformer.config.hidden_size if self.projection is None else self.projection.out_features
        )

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """Token ids (texts, tokens) to vectors (texts, width), in float32."""
        states = self.transformer(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        if self.text.pooling == "cls":
            pooled = states[:, 0].float()
        else:
            mask = attention_mask[:, :, None].float()
            pooled = (states.float() * mask).sum(1) / mask.sum(1).clamp(min=1)
        if self.projection is not None:
            pooled = self.projection(pooled).float()
        return nn.functional.normalize(pooled, dim=-1) if self.text.normalize else pooled

    def save(self, teacher: ModelSource, folder: Path) -> None:
        """Write the encoder as sentence-transformers does, with the teacher's tokenizer.

        Args:
            teacher: where the tokenizer is from, and what else is said of prompts.
            folder: where to; made if it is missing.

        Raises:
            TrainingError: the folder cannot be written.
        """
        save_trained(self.transformer, load_tokenizer(teacher), folder)
        with writing(folder):
            self._save_modules(folder)
            self._save_prompts(teacher.folder / PROMPTS_FILE, folder / PROMPTS_FILE)

    def _save_modules(self, folder: Path) -> None:
        hidden = int(self.transformer.config.hidden_size)
        modules = [("", "Transformer"), ("1_Pooling", "Pooling")]
        pooling = {"word_embedding_dimension": hidden, **_pooling_flags(self.text.pooling)}
        _write(folder / "1_Pooling" / "config.json", pooling)
        if self.projection is not None:
            modules.append(("2_Dense", "Dense"))
            self._save_projection(folder / "2_Dense")
        if self.text.normalize:
            modules.append((f"{len(modules)}_Normalize", "Normalize"))
        described = [
            {"idx": number, "name": str(number), "path": path, "type": f"{_PACKAGE}.{kind}"}
            for number, (path, kind) in enumerate(modules)
        ]
        _write(folder / "modules.json", described)
        limits = {"max_seq_length": self.text.max_tokens, "do_lower_case": self.text.lowercase}
        _write(folder / "sentence_bert_config.json", limits)

    def _save_prompts(self, teachers: Path, path: Path) -> None:
        """The teacher's own file, with the prefixes and the comparison that were trained for."""
        content = json.loads(teachers.read_text(encoding="utf-8")) if teachers.is_file() else {}
        prefixes = {"query": self.text.query_prefix, "document": self.text.passage_prefix}
        if content or any(prefixes.values()):
            content["prompts"] = {**(content.get("prompts") or {}), **prefixes}
        if not self.text.normalize:
            content["similarity_fn_name"] = COMPARED_BY_DOT
        if content:
            _write(path, content)

    def _save_projection(self, folder: Path) -> None:
        from safetensors.torch import save_file

        assert self.projection is not None
        settings = {"in_features": self.projection.in_features, "out_features": self.projection.out_features}
        has_bias = self.projection.bias is not None
        _write(folder / "config.json", {**settings, "bias": has_bias, "activation_function": IDENTITY})
        tensors = {WEIGHT: self.projection.weight, **({BIAS: self.projection.bias} if has_bias else {})}
        found = {name: tensor.detach().contiguous() for name, tensor in tensors.items()}
        save_file(found, folder / WEIGHTS_FILE)


def _pooling_flags(pooling: str) -> dict[str, bool]:
    return {"pooling_mode_cls_token": pooling == "cls", "pooling_mode_mean_tokens": pooling == "mean"}


def _write(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=2), encoding="utf-8")
