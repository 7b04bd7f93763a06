"""What an encoder's export is asked for, and what is read from the model's folder where nothing is asked.

sentence-transformers writes beside a model how it pools, whether it normalizes, and where it cuts:
`modules.json`, `1_Pooling/config.json`, `sentence_bert_config.json`; and how it compares vectors and what it
puts before queries and documents: `config_sentence_transformers.json`. A folder without them is pooled by
its mean and cut at its last position. Vectors are compared by their inner product while serving, and by
cosine in sentence-transformers unless a model says otherwise: so they get length 1.
"""

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from triton_rag_export.errors import ModelSourceError, UnsupportedModelError
from triton_rag_export.graph.model_source import ModelSource
from triton_rag_export.graph.static_int8 import Calibration
from triton_rag_export.graph.text_nodes import Pooling

LOGGER = logging.getLogger(__name__)

EncoderPrecision = Literal["fp32", "fp16", "int8", "int8_static"]
COMPARED_BY_DOT = "dot"
MODULES = ("Transformer", "Pooling", "Dense", "Normalize")
"""What an encoder may consist of: Dense is a projection (`projection.py`)."""
QUERY_PROMPTS = ("query",)
PASSAGE_PROMPTS = ("document", "passage", "corpus")
"""Names of prompts, in the order in which encode_query and encode_document of sentence-transformers look."""

_POOLING_FLAGS = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}


@dataclass(frozen=True, slots=True)
class EncoderExport:
    """What to export.

    Attributes:
        precision: "fp32"; "fp16": weights in half the bytes, arithmetic in FP32; "int8": a scale a row, in
            operators of our own; "int8_static": scales fixed by calibration, in standard operators.
        pooling: "auto" takes the model's own.
        normalize: None takes the model's own.
        query_prefix: put before every query; None takes the model's own prompt.
        passage_prefix: put before every passage; None takes the model's own prompt.
        max_tokens: where texts are cut, special tokens included; None takes the model's own.
        max_query_characters: longer queries are refused.
        calibration_texts: like those to be encoded, a hundred or more; "int8" without them is less accurate,
            "int8_static" needs them.
        calibration: how "int8_static" chooses the range of a tensor from what the texts showed.
    """

    precision: EncoderPrecision = "fp32"
    pooling: Literal["auto", "mean", "cls"] = "auto"
    normalize: bool | None = None
    query_prefix: str | None = None
    passage_prefix: str | None = None
    max_tokens: int | None = None
    max_query_characters: int = 8192
    calibration_texts: Sequence[str] = ()
    calibration: Calibration = "percentile"


@dataclass(frozen=True, slots=True)
class TextSettings:
    """How a model turns texts into vectors, nothing left to "auto"."""

    pooling: Pooling
    normalize: bool
    max_tokens: int
    lowercase: bool
    query_prefix: str = ""
    passage_prefix: str = ""


def text_settings(source: ModelSource, settings: EncoderExport, most_tokens: int) -> TextSettings:
    """Decide pooling, normalization, prefixes and maximum length.

    Args:
        source: the model.
        settings: what was asked for.
        most_tokens: as many as the model has positions for.

    Raises:
        UnsupportedModelError: the model pools in a way that the graph does not cover, or has more modules.
        ModelSourceError: a file of sentence-transformers' cannot be read, or `max_tokens` is out of range.
    """
    modules = [kind for kind, _ in sentence_modules(source.folder)]
    if modules != [kind for kind in MODULES if kind in modules]:
        raise UnsupportedModelError(
            f"model {source.name!r} has the modules {', '.join(modules)} of sentence-transformers: "
            f"allowed are {', '.join(MODULES)}, each at most once and in this order; choose another encoder"
        )
    own = _sentence_config(source.folder)
    asked = settings.max_tokens
    if asked is not None and not 3 <= asked <= most_tokens:
        raise ModelSourceError(f"encoder.max_tokens {asked}: {source.name!r} allows 3 to {most_tokens}")
    own_normalize = "Normalize" in modules or _comparison(source) != COMPARED_BY_DOT
    return TextSettings(
        pooling=settings.pooling if settings.pooling != "auto" else _own_pooling(source),
        normalize=own_normalize if settings.normalize is None else settings.normalize,
        max_tokens=asked or min(own.get("max_seq_length") or most_tokens, most_tokens),
        lowercase=bool(own.get("do_lower_case", False)),
        query_prefix=_prompt(source, QUERY_PROMPTS, settings.query_prefix),
        passage_prefix=_prompt(source, PASSAGE_PROMPTS, settings.passage_prefix),
    )


def _comparison(source: ModelSource) -> str:
    """How the model's vectors are compared: "cosine" unless it says otherwise."""
    name = str(_transformers_config(source.folder).get("similarity_fn_name") or "cosine")
    if name not in ("cosine", COMPARED_BY_DOT):
        LOGGER.warning(
            "encoder %s: compares vectors by %s; served vectors are compared by cosine", source.name, name
        )
    return name


def _prompt(source: ModelSource, names: Sequence[str], asked: str | None) -> str:
    """The prefix that was asked for, else the model's prompt of the first name there is, else its default."""
    if asked is not None:
        return asked
    config = _transformers_config(source.folder)
    prompts = config.get("prompts") or {}
    for name in (*names, config.get("default_prompt_name")):
        if name in prompts:
            return str(prompts[name])
    return ""


def _transformers_config(folder: Path) -> dict[str, Any]:
    path = folder / "config_sentence_transformers.json"
    config: dict[str, Any] = _read_json(path) if path.is_file() else {}
    return config


def _own_pooling(source: ModelSource) -> Pooling:
    folders = [path for kind, path in sentence_modules(source.folder) if kind == "Pooling"]
    if not folders:
        return "mean"
    config = _read_json(source.folder / folders[0] / "config.json")
    mode = config.get("pooling_mode") or [name for flag, name in _POOLING_FLAGS.items() if config.get(flag)]
    modes = [mode] if isinstance(mode, str) else list(mode)
    if modes == ["mean"] or not modes:
        return "mean"
    if modes == ["cls"]:
        return "cls"
    raise UnsupportedModelError(
        f"model {source.name!r} pools by {', '.join(modes)}: allowed are mean and cls; "
        "set encoder.pooling in the recipe, or choose another encoder"
    )


def sentence_modules(folder: Path) -> list[tuple[str, str]]:
    """The modules of sentence-transformers in order: each kind, and the path of its folder in the model's.

    Raises:
        ModelSourceError: `modules.json` cannot be read.
    """
    path = folder / "modules.json"
    modules: list[dict[str, Any]] = _read_json(path) if path.is_file() else []
    return [(str(module["type"]).rsplit(".", 1)[-1], str(module["path"])) for module in modules]


def _sentence_config(folder: Path) -> dict[str, Any]:
    paths = sorted(folder.glob("sentence_*_config.json"))
    config: dict[str, Any] = _read_json(paths[0]) if paths else {}
    return config


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelSourceError(f"{path} cannot be read ({error}): download the model again") from error
