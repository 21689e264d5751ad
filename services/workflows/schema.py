"""Values against JSON schema, as far as workflows use it: enough to name a fault before a launch.

Keywords: type, enum, minimum, maximum, exclusiveMinimum, exclusiveMaximum, pattern, minLength,
maxLength, items, minItems, maxItems, uniqueItems. Others are left to Airflow, which checks all.
"""

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

Schema = Mapping[str, Any]

_WORDS = {
    "integer": "whole number",
    "number": "number",
    "string": "text",
    "boolean": "true or false",
    "array": "list",
    "object": "JSON object",
}
_IS: dict[str, Callable[[object], bool]] = {
    "null": lambda value: value is None,
    "boolean": lambda value: isinstance(value, bool),
    "integer": lambda value: (
        (isinstance(value, int) and not isinstance(value, bool))
        or (isinstance(value, float) and value.is_integer())
    ),
    "number": lambda value: (
        isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    ),
    "string": lambda value: isinstance(value, str),
    "array": lambda value: isinstance(value, list),
    "object": lambda value: isinstance(value, dict),
}


def fault(schema: Schema, value: object) -> str:
    """Return what is wrong with a value, as the end of a sentence; empty when nothing is."""
    kinds = types_of(schema)
    if kinds and not any(_IS[kind](value) for kind in kinds if kind in _IS):
        words = " or ".join(_WORDS[kind] for kind in kinds if kind in _WORDS)
        return f"is {shown(value)}, which is no {words or 'value of its type'}"
    if "enum" in schema and value not in schema["enum"]:
        choices = ", ".join(str(one) for one in schema["enum"][:20] if one is not None)
        return f"is {shown(value)}, which is not one of {choices}"
    if isinstance(value, bool) or value is None:
        return ""
    if isinstance(value, int | float):
        return _bounds(schema, value)
    if isinstance(value, str):
        return _text(schema, value)
    return _list(schema, value) if isinstance(value, list) else ""


def types_of(schema: Schema) -> tuple[str, ...]:
    """Return the types a value may have, () for any."""
    said = schema.get("type") or ()
    return (said,) if isinstance(said, str) else tuple(said)


def typed(schema: Schema, text: str) -> object:
    """Return what a person typed as a value of the type; text that is none stays text."""
    kinds = types_of(schema)
    if "null" in kinds and text.lower() in {"", "none", "null"}:
        return None
    if "string" in kinds or not kinds:
        return text
    if "boolean" in kinds:
        return {"true": True, "yes": True, "false": False, "no": False}.get(text.lower(), text)
    if "array" in kinds and not text.lstrip().startswith("["):
        return [part.strip() for part in text.split(",") if part.strip()]
    try:
        return loads(text)
    except ValueError:
        return text


def loads(text: str) -> object:
    """Return JSON read strictly.

    Raises:
        ValueError: It is none; NaN and infinities are none either.
    """

    def refused(word: str) -> object:
        raise ValueError(f"{word} is no JSON")

    found: object = json.loads(text, parse_constant=refused)
    return found


def shown(value: object) -> str:
    """Return a value for a sentence."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}…"


def _bounds(schema: Schema, value: float) -> str:
    low, high = schema.get("minimum"), schema.get("maximum")
    above, below = schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum")
    if low is not None and value < low:
        return f"is {shown(value)}, below the least of {low:g}"
    if high is not None and value > high:
        return f"is {shown(value)}, above the most of {high:g}"
    if above is not None and value <= above:
        return f"is {shown(value)}, and must be above {above:g}"
    if below is not None and value >= below:
        return f"is {shown(value)}, and must be below {below:g}"
    return ""


def _text(schema: Schema, value: str) -> str:
    if len(value) > schema.get("maxLength", math.inf):
        return f"is longer than {schema['maxLength']} characters"
    if len(value) < schema.get("minLength", 0):
        return f"is shorter than {schema['minLength']} characters"
    pattern = schema.get("pattern")
    if pattern and not re.search(pattern, value):
        return f"is {shown(value)}, which is not of the form {pattern}"
    return ""


def _list(schema: Schema, value: Sequence[object]) -> str:
    if len(value) < schema.get("minItems", 0):
        return f"has {len(value)} entries, and needs {schema['minItems']} at least"
    if len(value) > schema.get("maxItems", math.inf):
        return f"has {len(value)} entries, and may have {schema['maxItems']} at most"
    if schema.get("uniqueItems") and len({repr(one) for one in value}) < len(value):
        return "has the same entry twice"
    items = schema.get("items")
    faults = (fault(items, one) for one in value) if isinstance(items, Mapping) else ()
    found = next((one for one in faults if one), "")
    return f"has an entry that {found}" if found else ""
