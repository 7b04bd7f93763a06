"""What a key of the recipe may be, in words, read from the schema that also validates it."""

import difflib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from triton_rag_export.recipe.schema import Recipe


def allowed_values(path: Sequence[str]) -> str:
    """What the key at `path` may be.

    Args:
        path: key path, such as `("retrieval", "passages_k")`.

    Returns:
        Words such as `a whole number from 1 to 20`.
    """
    schema = Recipe.model_json_schema()
    node: Mapping[str, Any] = schema
    for part in path:
        node = _resolved(node, schema)
        is_element = node.get("type") == "array" and part.isdecimal()
        node = node["items"] if is_element else node.get("properties", {}).get(part, {})
    return _in_words(_resolved(node, schema))


def known_keys(path: Sequence[str]) -> tuple[str, ...]:
    """The keys of the table at `path`, or none where there is no table."""
    schema = Recipe.model_json_schema()
    node: Mapping[str, Any] = schema
    for part in path:
        node = _resolved(node, schema).get("properties", {}).get(part, {})
    return tuple(_resolved(node, schema).get("properties", {}))


def nearest_key(path: Sequence[str]) -> str:
    """A hint for the unknown key at `path`: the nearest known one where there is one, and all that are known.

    The nearest may stand in another table, where a key was put under the wrong heading.
    """
    *table, key = path
    known = known_keys(table)
    where = f"[{'.'.join(table)}]" if table else "the top of the file"
    listed = f"known keys of {where}: {', '.join(known)}"
    if close := difflib.get_close_matches(key, known, n=1):
        return f"did you mean {close[0]}? {listed}"
    for other in known_keys(()):
        if key in known_keys((other,)):
            return f"it belongs under [{other}]; {listed}"
    return listed


def _resolved(node: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema behind references, and behind `or null` (a key that may be left out)."""
    if "$ref" in node:
        return _resolved(schema["$defs"][node["$ref"].rsplit("/", 1)[-1]], schema)
    choices = [choice for choice in node.get("anyOf", ()) if choice.get("type") != "null"]
    if len(choices) > 1:
        return {"choices": [_resolved(choice, schema) for choice in choices]}
    return _resolved(choices[0], schema) if choices else node


def _in_words(node: Mapping[str, Any]) -> str:
    if "choices" in node:
        return ", or ".join(_in_words(choice) for choice in node["choices"])
    if "const" in node:
        return json.dumps(node["const"])
    if "enum" in node:
        return "one of " + ", ".join(json.dumps(value) for value in node["enum"])
    match node.get("type"):
        case "integer":
            low, high = node.get("minimum"), node.get("maximum")
            return "a whole number" + (f" from {low} to {high}" if low is not None else "")
        case "number":
            return f"a number from {node['minimum']:g} to {node['maximum']:g}"
        case "boolean":
            return "true or false"
        case "array":
            return f"a list, each {_in_words(node['items'])}"
        case "object":
            return f"a table with the keys {', '.join(node.get('properties', {}))}"
        case "string":
            return _text_in_words(node)
        case _:
            return "another value"


def _text_in_words(node: Mapping[str, Any]) -> str:
    words = "a path, as text" if node.get("format") == "path" else "text"
    if "pattern" in node:
        words += f" that matches {node['pattern']}"
    if node.get("minLength"):
        words += " that is not empty"
    if "maxLength" in node:
        words += f" of at most {node['maxLength']} characters"
    return words
