"""Refuses parameters that nobody reads: a misspelt option must not become a silent default.

Options are tensors. `/generate` makes a parameter of every key of its JSON that names no tensor, and an
ensemble hands parameters on to its steps, where nobody asks for them, but for those of Triton itself. They
are checked in this model because each ensemble begins with it.
"""

import difflib
import json

from query_tokenization.errors import UnknownParameterError

OPTIONS = (
    "RETRIEVER",
    "PASSAGES_K",
    "MAX_TOKENS",
    "MIN_TOKENS",
    "TEMPERATURE",
    "TOP_K",
    "TOP_P",
    "SEED",
    "REPETITION_PENALTY",
    "STOP",
    "STOP_TOKENS",
    "LOGPROBS",
    "BEAMS",
    "LENGTH_PENALTY",
)

# Reserved by the parameters extension of Triton's protocol, and by the one for binary data; and a request's
# id, of which `/generate` makes a parameter like any other.
_OF_TRITON = {
    "id",
    "sequence_id",
    "sequence_start",
    "sequence_end",
    "priority",
    "timeout",
    "headers",
    "binary_data_output",
}
_PREFIX_OF_TRITON = "triton_"


def check_parameters(parameters: str) -> None:
    """Refuse a request that sends something as a parameter that is none.

    A name with a hyphen is left alone: it is a header that the server was told to forward.

    Args:
        parameters: of the request, a JSON object or nothing.

    Raises:
        UnknownParameterError: names the parameter and the option that may have been meant.
    """
    for name in json.loads(parameters or "{}"):
        if name not in _OF_TRITON and not name.startswith(_PREFIX_OF_TRITON) and "-" not in name:
            raise UnknownParameterError(_reason(name))


def _reason(name: str) -> str:
    if name in OPTIONS:
        return f"{name} came as a parameter; give it as an input, to a model that has an input of this name"
    nearest = difflib.get_close_matches(name.upper(), OPTIONS, n=1)
    hint = f"did you mean {nearest[0]}?" if nearest else f"options are {', '.join(OPTIONS)}"
    return f"{name} is no option; {hint}"
