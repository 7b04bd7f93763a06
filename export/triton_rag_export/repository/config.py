"""Read, change and write a model's `config.pbtxt` as the protobuf message Triton itself reads.

The committed files are the contract; a build changes only what its recipe decides. Nothing is formatted by
hand: `google.protobuf.text_format` reads and writes.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from google.protobuf import text_format
from tritonclient.grpc.model_config_pb2 import DataType, ModelConfig

from triton_rag_export.errors import RepositoryError

CONFIG_FILE = "config.pbtxt"
EMBEDDING_TENSOR = "EMBEDDING"
FORWARDS_TO = "forwards_to"


@dataclass(frozen=True, slots=True)
class ConfigChanges:
    """What a recipe decides in every `config.pbtxt`."""

    max_batch_size: int
    """Rows of a request and of a step of the dynamic batcher, for the models that batch."""
    max_queue: int
    """Requests that may wait before a step that has a limit; beyond, Triton answers UNAVAILABLE."""
    embedding_size: int
    """Length of the encoder's vectors."""


def read_config(path: Path) -> Any:
    """Read a `config.pbtxt`.

    Returns:
        A `ModelConfig` message.

    Raises:
        RepositoryError: the file cannot be read, or is no ModelConfig in protobuf text; names file and line.
    """
    try:
        return text_format.Parse(path.read_text(encoding="utf-8"), ModelConfig())
    except text_format.ParseError as error:
        raise RepositoryError(f"{path}:{error}: correct the file, or build the repository again") from error
    except (OSError, UnicodeDecodeError) as error:
        raise RepositoryError(
            f"{path} cannot be read ({error}): restore it, or build the repository again"
        ) from error


def write_config(config: Any, path: Path, note: str = "") -> None:
    """Write a `ModelConfig` as protobuf text, `note` above it as a comment."""
    comment = "".join(f"# {line}".rstrip() + "\n" for line in note.splitlines())
    path.write_text(comment + text_format.MessageToString(config, as_utf8=True), encoding="utf-8")


def apply_changes(config: Any, changes: ConfigChanges) -> None:
    """Set in `config` what the recipe decides. Models of batch size 1 keep it: they take a request a call."""
    if config.max_batch_size > 1:
        config.max_batch_size = changes.max_batch_size
    queue_policy = config.dynamic_batching.default_queue_policy
    if queue_policy.max_queue_size > 0:
        queue_policy.max_queue_size = changes.max_queue
    for tensor in (*config.input, *config.output):
        if tensor.name == EMBEDDING_TENSOR:
            del tensor.dims[:]
            tensor.dims.append(changes.embedding_size)


def is_ensemble(config: Any) -> bool:
    """Whether the model is an ensemble: steps and maps, nothing that runs by itself."""
    return bool(config.platform == "ensemble")


def forwards_to(config: Any) -> str:
    """The model that this one only forwards to (its parameter `forwards_to`), or "".

    Such a model has nothing of its own to warm, and could not: while a server starts, it refuses requests
    from its own models ("Server not ready").
    """
    return str(config.parameters[FORWARDS_TO].string_value) if FORWARDS_TO in config.parameters else ""


def data_type_name(data_type: int) -> str:
    """`TYPE_INT32` of 8, and so on."""
    return str(DataType.Name(data_type))
