"""Words for what a setting may be, made from its schema: for the reference, and for messages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

WORDS = {"boolean": "true or false", "integer": "whole number", "object": "block", "array": "list"}
BOUNDS = {
    "minimum": "from",
    "exclusiveMinimum": "above",
    "maximum": "to",
    "exclusiveMaximum": "below",
}


def words_for(schema: Mapping[str, Any]) -> str:
    """Word what a value may be: its type and its range, or the names that are valid.

    Args:
        schema: JSON schema of the value.
    """
    if "anyOf" in schema:
        return " or ".join(words_for(one) for one in schema["anyOf"])
    names = schema.get("enum", [schema["const"]] if "const" in schema else None)
    if names is not None:
        return ", ".join(f"`{name}`" for name in names)
    kind = str(schema.get("type", "anything"))
    if kind == "array" and "items" in schema:
        least = "at least one " if schema.get("minItems") else ""
        return f"list of {least}{words_for(schema['items'])}"
    if isinstance(schema.get("additionalProperties"), Mapping):
        least = ", at least one" if schema.get("minProperties") else ""
        return f"block: a name, then {words_for(schema['additionalProperties'])}{least}"
    bounds = [f"{word} {schema[name]:g}" for name, word in BOUNDS.items() if name in schema]
    words = " ".join([WORDS.get(kind, kind), *bounds])
    return words.replace(" to ", ", at most ") if "exclusiveMinimum" in schema else words


def schema_at(schema: Mapping[str, Any], where: Sequence[int | str]) -> Mapping[str, Any]:
    """Return the schema of what lies at ``where`` in a value of ``schema``."""
    for part in where:
        choices = schema.get("anyOf", [schema])
        inner = "items" if isinstance(part, int) else "additionalProperties"
        schema = next((one[inner] for one in choices if isinstance(one.get(inner), Mapping)), {})
    return schema
