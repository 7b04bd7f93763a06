"""What Triton's log says: which models are loaded, and why a start failed, in one line."""

import re
from dataclasses import dataclass

__all__ = ["Failure", "find_failure", "loaded_models", "stuck_model"]

_LOADED = re.compile(r"successfully loaded '([^']+)'")
_LOAD_FAILED = re.compile(r"\"failed to load '([^']+)' version \d+: (.*)\"$", re.MULTILINE)
_NO_VERSION = re.compile(r"\"failed to load model '([^']+)': (.*)\"$", re.MULTILINE)
_CONFIG_UNREADABLE = re.compile(r"\"Poll failed for model directory '([^']+)': (.*)\"$", re.MULTILINE)
_CONFIG_SYNTAX = re.compile(
    r"Error parsing text-format inference\.ModelConfig: (\d+):(\d+): (.*)$", re.MULTILINE
)
_ENSEMBLE = re.compile(r"\"(?:Invalid argument: )?in ensemble ([^,]+), (.*)\"$", re.MULTILINE)
_ENSEMBLE_DEPENDS = re.compile(
    r"\"(?:Invalid argument: )?ensemble '([^']+)' depends on (.*)\"$", re.MULTILINE
)
_BEGUN = re.compile(r"TRITONBACKEND_ModelInstanceInitialize: (\S+?)_\d+_\d+ ")
_INSTANCE = re.compile(r"Failed to create instance: (.*)\"$", re.MULTILINE)
_TRACEBACK = re.compile(r"^Traceback \(most recent call last\):\n((?:[ \t].*\n)+)(\S.*)$", re.MULTILINE)
_MODEL_FILE = re.compile(r'File "[^"]*/([^/"]+)/\d+/[^"]*"')
_STUCK = re.compile(r"Failed to preinitialize Python stub: (.*'([^']*)/\d+/[^/']+'.*)$", re.MULTILINE)
_PORT = re.compile(r"failed to start (\w+) service: .*Socket '([^']+)' already in use", re.IGNORECASE)
_LOADER = re.compile(r"error while loading shared libraries: (.*)$", re.MULTILINE)
_SERVER = re.compile(r"^error: (?:creating server: )?(?:\w[\w ]* - )?(.*)$", re.MULTILINE)
_PLACE = re.compile(r"(\S+?)\((\d+)\): \w+")
_STATUS = re.compile(r"^(?:Internal|Invalid argument|Not found|Unavailable|Unsupported): ")


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a server did not start.

    Attributes:
        kind: What failed.
        subject: The model, port or library it failed at; empty when unknown.
        reason: Why, in one line.
    """

    kind: str
    subject: str
    reason: str


def loaded_models(log: str) -> tuple[str, ...]:
    """Models that the log reports as loaded, in the order they were."""
    return tuple(dict.fromkeys(_LOADED.findall(log)))


def stuck_model(log: str) -> Failure | None:
    """A failure after which this Triton neither ends nor becomes ready: a Python model without its file."""
    found = _STUCK.search(log)
    return Failure("model", found[2].rsplit("/", 1)[-1], found[1]) if found else None


def find_failure(log: str) -> Failure:
    """The first cause of a failed start: later lines often repeat it for models that depend on it."""
    for search in (
        _library,
        _port,
        _model_load,
        stuck_model,
        _config,
        _ensemble,
        _server,
        _instance,
        _traceback,
    ):
        failure = search(log)
        if failure is not None:
            return failure
    return Failure("server", "", _last_line(log))


def _library(log: str) -> Failure | None:
    found = _LOADER.search(log)
    return Failure("library", found[1].split(":")[0], found[1]) if found else None


def _port(log: str) -> Failure | None:
    found = _PORT.search(log)
    if found is None:
        return None
    service = {"GRPC": "gRPC", "Metrics": "metrics"}.get(found[1], found[1])
    return Failure("port", found[2], f"the {service} port {found[2]} is in use")


def _model_load(log: str) -> Failure | None:
    found = _LOAD_FAILED.search(log) or _NO_VERSION.search(log)
    return Failure("model", found[1], _one_line(found[2])) if found else None


def _config(log: str) -> Failure | None:
    found = _CONFIG_UNREADABLE.search(log)
    if found is None:
        return None
    syntax = _CONFIG_SYNTAX.search(log)
    reason = (
        f"config.pbtxt line {syntax[1]}, column {syntax[2]}: {syntax[3]}" if syntax else _one_line(found[2])
    )
    return Failure("model", found[1], reason)


def _ensemble(log: str) -> Failure | None:
    found = _ENSEMBLE.search(log)
    if found is not None:
        return Failure("model", found[1], _one_line(found[2]))
    found = _ENSEMBLE_DEPENDS.search(log)
    return Failure("model", found[1], f"it depends on {_one_line(found[2])}") if found else None


def _server(log: str) -> Failure | None:
    found = _SERVER.search(log)
    return Failure("server", "", found[1]) if found else None


def _instance(log: str) -> Failure | None:
    """The last that a server said which then crashed: what a model died of, but not which model."""
    found = _INSTANCE.search(log)
    if found is None:
        return None
    begun = dict.fromkeys(_BEGUN.findall(log[: found.start()]))
    unfinished = [model for model in begun if model not in loaded_models(log)]
    return Failure("model", " or ".join(unfinished), _one_line(found[1]).rstrip("; "))


def _traceback(log: str) -> Failure | None:
    """What a server that crashed left of its models' last words: an exception, and in whose files it rose."""
    for frames, exception in reversed(_TRACEBACK.findall(log)):
        model = _MODEL_FILE.search(frames)
        if model is not None:
            return Failure("model", model[1], exception)
    return None


def _one_line(message: str) -> str:
    """A message with its escaped line ends and its traceback folded into `reason (file line n)`."""
    text = message.replace('\\"', '"').replace("\\'", "'")
    reason, _, trace = text.partition("\\n\\nAt:\\n")
    reason = _STATUS.sub("", " ".join(reason.replace("\\n", " ").split()))
    place = _PLACE.search(trace.replace("\\n", " "))
    return f"{reason} ({place[1]} line {place[2]})" if place else reason


def _last_line(log: str) -> str:
    lines = [line.strip() for line in log.splitlines() if line.strip() and set(line) - set("+-| \n")]
    return lines[-1] if lines else "it wrote nothing"
