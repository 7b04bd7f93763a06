"""The engine over what an export put into a version folder: which adapter, and how large its slots are."""

import json
import logging
from collections.abc import Callable
from pathlib import Path

from tokenizers import Tokenizer

from generation.adapter import ModelAdapter
from generation.causal import CausalAdapter, CausalDescription
from generation.description_file import DESCRIPTION_FILE
from generation.encoder_decoder import EncoderDecoderAdapter
from generation.encoder_decoder_description import EncoderDecoderDescription
from generation.engine import Engine
from generation.errors import SettingsError
from generation.memory import GeneratorMemory, gathered_attention_bytes
from generation.session import CUDA
from generation.settings import ServingSettings

logger = logging.getLogger(__name__)

CAUSAL = "causal"


def load_engine(folder: Path, log: Callable[[str], None] = logger.info) -> Engine:
    """Load the model, the tokenizer and the limits in a version folder; the engine is not started.

    Args:
        folder: the version folder.
        log: takes one line, what the model takes of memory.

    Raises:
        SettingsError: a file of settings is missing or wrong, or does not fit the model; or the model takes
            more memory than it may.
    """
    settings = ServingSettings.load(folder)
    adapter = load_adapter(folder, settings)
    memory = memory_of(folder, adapter, settings)
    log(f"generator: {memory}")
    memory.check(settings.max_memory_mb)
    return Engine(adapter, load_tokenizer(folder), settings)


def memory_of(folder: Path, adapter: ModelAdapter, settings: ServingSettings) -> GeneratorMemory:
    """What the model in a version folder takes of memory.

    Args:
        folder: the version folder.
        adapter: the model, loaded from it.
        settings: how large its steps may be.

    Raises:
        SettingsError: the description beside it is missing or wrong.
    """
    if _kind(folder / DESCRIPTION_FILE) == CAUSAL:
        described = CausalDescription.load(folder)
        attention = 0
        if described.device == CUDA:
            attention = gathered_attention_bytes(
                settings,
                heads=described.most_heads,
                keys=adapter.capacity,
                layer_caches=_widest(adapter, described.kv_heads),
            )
        return GeneratorMemory.of(
            folder, adapter, settings, layer_channels=described.layer_channels, attention=attention
        )
    both = EncoderDecoderDescription.load(folder)
    attention = 0
    if both.device == CUDA:
        attention = gathered_attention_bytes(
            settings,
            heads=max(*both.heads, *both.cross_heads),
            keys=max(adapter.capacity, adapter.source_capacity),
            layer_caches=max(_widest(adapter, both.heads), _widest(adapter, both.cross_heads)),
            source_tokens=adapter.source_capacity,
        )
    return GeneratorMemory.of(
        folder,
        adapter,
        settings,
        layer_channels=both.layer_channels,
        encoder_layer_channels=both.encoder_layer_channels,
        attention=attention,
    )


def _widest(adapter: ModelAdapter, heads: tuple[int, ...]) -> int:
    """Bytes of the caches of the layer with most heads, at most."""
    return -(-adapter.cache_bytes * max(heads) // sum(heads))


def load_tokenizer(folder: Path) -> Tokenizer:
    """Load `tokenizer.json` in a version folder.

    Raises:
        SettingsError: the file is missing or cannot be used.
    """
    path = folder / "tokenizer.json"
    try:
        return Tokenizer.from_file(str(path))
    except Exception as error:  # tokenizers raises bare Exception
        raise SettingsError(f"{path}: {error}; build the repository again") from error


def load_adapter(folder: Path, settings: ServingSettings) -> ModelAdapter:
    """Load the model in a version folder with the adapter of its kind.

    A causal model's prompt and answer share `context_tokens`. An encoder-decoder model reads a source of up
    to as many tokens, and its decoder holds an answer.

    Raises:
        SettingsError: a file is missing or broken, the kind is unknown, or the sizes do not fit the model.
    """
    kind, threads = _kind(folder / DESCRIPTION_FILE), settings.threads
    if kind == EncoderDecoderDescription.KIND:
        start_tokens = len(EncoderDecoderDescription.load(folder).start_token_ids)
        return EncoderDecoderAdapter.load(
            folder,
            slots=settings.slots,
            capacity=start_tokens + settings.max_tokens,
            source_capacity=settings.context_tokens,
            threads=threads,
        )
    return CausalAdapter.load(folder, slots=settings.slots, capacity=settings.context_tokens, threads=threads)


def _kind(path: Path) -> str:
    """The kind of model that a description is of; one that does not say is of a causal model."""
    try:
        kind = json.loads(path.read_text(encoding="utf-8")).get("kind", CAUSAL)
    except (OSError, ValueError, AttributeError) as error:
        raise SettingsError(f"{path}: {error}; build the repository again") from error
    if kind not in (CAUSAL, EncoderDecoderDescription.KIND):
        raise SettingsError(
            f"{path}: kind is {kind!r}; allowed: {CAUSAL!r}, {EncoderDecoderDescription.KIND!r}; "
            "build the repository again"
        )
    return str(kind)
