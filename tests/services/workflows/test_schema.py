"""Values against JSON schema: every keyword that workflows use, and what a person typed."""

import pytest

from services.workflows.schema import fault, typed

TEXT = {"type": "string", "minLength": 2, "maxLength": 4, "pattern": "^[a-z]+$"}
LIST = {
    "type": "array",
    "items": {"type": "integer", "minimum": 0},
    "minItems": 1,
    "maxItems": 3,
    "uniqueItems": True,
}


@pytest.mark.parametrize(
    ("schema", "value", "said"),
    [
        ({}, object(), ""),
        ({"type": "integer"}, 3, ""),
        ({"type": "integer"}, 3.0, ""),
        ({"type": "integer"}, 3.5, "is 3.5, which is no whole number"),
        ({"type": "integer"}, True, "is True, which is no whole number"),
        ({"type": "number"}, float("nan"), "is nan, which is no number"),
        ({"type": ["null", "string"]}, None, ""),
        ({"type": ["null", "string"]}, 7, "is 7, which is no text"),
        ({"type": "boolean"}, 1, "is 1, which is no true or false"),
        ({"type": "object"}, {"a": 1}, ""),
        ({"type": "object"}, [], "is [], which is no JSON object"),
        ({"type": "something new"}, 1, "is 1, which is no value of its type"),
        ({"enum": ["a", "b", None]}, "c", "is 'c', which is not one of a, b"),
        ({"enum": ["a", None]}, None, ""),
        ({"type": "number", "minimum": 1}, 0.5, "is 0.5, below the least of 1"),
        ({"type": "number", "maximum": 1}, 2, "is 2, above the most of 1"),
        ({"type": "number", "exclusiveMinimum": 1}, 1, "is 1, and must be above 1"),
        ({"type": "number", "exclusiveMaximum": 1}, 1, "is 1, and must be below 1"),
        (TEXT, "abc", ""),
        (TEXT, "abcde", "is longer than 4 characters"),
        (TEXT, "a", "is shorter than 2 characters"),
        (TEXT, "AB", "is 'AB', which is not of the form ^[a-z]+$"),
        (LIST, [0, 1], ""),
        (LIST, [], "has 0 entries, and needs 1 at least"),
        (LIST, [1, 2, 3, 4], "has 4 entries, and may have 3 at most"),
        (LIST, [1, 1], "has the same entry twice"),
        (LIST, [1, -1], "has an entry that is -1, below the least of 0"),
    ],
)
def test_what_is_wrong_is_said(schema: dict[str, object], value: object, said: str):
    assert fault(schema, value) == said


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("integer", "3", 3),
        ("integer", "many", "many"),
        ("number", "1e-3", 0.001),
        ("number", "NaN", "NaN"),
        ("boolean", "Yes", True),
        ("boolean", "no", False),
        ("boolean", "perhaps", "perhaps"),
        ("string", "3", "3"),
        (["null", "string"], "", None),
        (["null", "integer"], "none", None),
        ("array", "a, b,", ["a", "b"]),
        ("array", "[1, 2]", [1, 2]),
        ("object", '{"a": 1}', {"a": 1}),
        ("object", "a", "a"),
    ],
)
def test_what_a_person_typed_becomes_a_value(kind: object, text: str, value: object):
    found = typed({"type": kind}, text)
    assert (found, type(found)) == (value, type(value))
