"""Results as JSON that every reader takes."""

import json
import math
from typing import Any

__all__ = ["plain_json"]


def plain_json(content: dict[str, Any]) -> str:
    """The text of a JSON file, with null where there is no number: NaN is not allowed in JSON."""
    return json.dumps(_without_nan(content), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _without_nan(value: Any) -> Any:
    """The value with null where there is no number: NaN is not allowed in JSON."""
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(item) for item in value]
    return None if isinstance(value, float) and math.isnan(value) else value
