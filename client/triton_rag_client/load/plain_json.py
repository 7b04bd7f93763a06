"""Results as JSON that every reader takes, and back."""

import dataclasses
import json
import math
from types import NoneType, UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

__all__ = ["from_plain", "plain_json"]

Value = TypeVar("Value")


def plain_json(content: dict[str, Any]) -> str:
    """The text of a JSON file, with null where there is no number: NaN is not allowed in JSON."""
    return json.dumps(_without_nan(content), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def from_plain(kind: type[Value], value: Any) -> Value:
    """The value of a type that `dataclasses.asdict` and `plain_json` wrote.

    What the type has no field for is left out, so that a file of a later version can be read.

    Args:
        kind: A dataclass of numbers, text, tuples, dictionaries, unions and further dataclasses.
        value: What `json.loads` made of it.

    Raises:
        ValueError: It is not of that type; the message says where.
    """
    return _read(kind, value, kind.__name__)  # type: ignore[no-any-return]


def _read(kind: Any, value: Any, place: str) -> Any:
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        return _read_dataclass(kind, value, place)
    origin, members = get_origin(kind), get_args(kind)
    if origin in (UnionType, Union):
        return _read_union(members, value, place)
    if origin is tuple and isinstance(value, list):
        return tuple(_read(members[0], item, f"{place}[{number}]") for number, item in enumerate(value))
    if origin is dict and isinstance(value, dict):
        return {key: _read(members[1], item, f"{place}.{key}") for key, item in value.items()}
    if kind is float and (value is None or isinstance(value, int | float)):
        return math.nan if value is None else float(value)
    if origin is None and isinstance(kind, type) and isinstance(value, kind):
        return value
    if origin is not None and value in members:  # Literal
        return value
    raise ValueError(f"{place} is {value!r}")


def _read_dataclass(kind: Any, value: Any, place: str) -> Any:
    if not isinstance(value, dict):
        raise ValueError(f"{place} is {value!r}")
    types = get_type_hints(kind)
    given = [field for field in dataclasses.fields(kind) if field.name in value]
    try:
        return kind(
            **{
                field.name: _read(types[field.name], value[field.name], f"{place}.{field.name}")
                for field in given
            }
        )
    except TypeError as error:  # a field without a default is not there
        raise ValueError(f"{place}: {error}") from error


def _read_union(members: tuple[Any, ...], value: Any, place: str) -> Any:
    if value is None and NoneType in members:
        return None
    for member in members:
        try:
            return _read(member, value, place)
        except ValueError:
            continue
    raise ValueError(f"{place} is {value!r}")


def _without_nan(value: Any) -> Any:
    """The value with null where there is no number: NaN is not allowed in JSON."""
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(item) for item in value]
    return None if isinstance(value, float) and math.isnan(value) else value
