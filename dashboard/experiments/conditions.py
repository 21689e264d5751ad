"""The filter builder's model: a list of conditions, which is a query text and back.

The text is the truth. The builder reads those that are one flat ``and`` of tests; it leaves the
others to the text box and only adds to them.
"""

from dataclasses import dataclass

from services.errors import FilterError
from services.mirror.filters import (
    Both,
    Node,
    Operator,
    Test,
    Words,
    field_name,
    join,
    parse,
    quote,
    split_field,
)
from services.mirror.models import FieldKind

ANYWHERE = ""
"""The field of a bare word: name, technique, project or run id contains it."""
WORDS: dict[Operator, str] = {
    "=": "is",
    "!=": "is not",
    ">": "is above",
    ">=": "is at least",
    "<": "is below",
    "<=": "is at most",
    "~": "contains",
    "!~": "does not contain",
    "in": "is one of",
    "exists": "was logged",
    "missing": "was not logged",
}
_TIME_WORDS: dict[Operator, str] = {">=": "since", "<": "before"}
_OPERATORS: dict[FieldKind, tuple[Operator, ...]] = {
    "number": (">=", "<=", ">", "<", "=", "!=", "exists", "missing"),
    "text": ("~", "!~", "=", "!=", "exists", "missing"),
    "choice": ("in", "!=", "~", "exists", "missing"),
    "time": (">=", "<", "exists", "missing"),
}
_TIMES = frozenset({"started_at", "ended_at"})
NO_VALUE: frozenset[Operator] = frozenset({"exists", "missing"})


@dataclass(frozen=True, slots=True)
class Condition:
    """``field operator values``; the field ``""`` is "anywhere"."""

    field: str
    operator: Operator
    values: tuple[str, ...] = ()


def operators(kind: FieldKind) -> tuple[Operator, ...]:
    """Return the operators that make sense for a kind of field, the usual one first."""
    return _OPERATORS[kind]


def operator_word(operator: Operator, kind: FieldKind) -> str:
    """Return an operator as a person reads it."""
    if kind == "time":
        return _TIME_WORDS.get(operator, WORDS[operator])
    return WORDS[operator]


def text_of(condition: Condition) -> str:
    """Return one condition as query text."""
    if condition.field == ANYWHERE:
        return _as_word(condition.values[0])
    field = _spelled(condition.field)
    if condition.operator in NO_VALUE:
        return f"{field} {condition.operator}"
    values = [quote(value) for value in condition.values]
    if condition.operator == "in":
        if len(values) == 1:
            return f"{field} = {values[0]}"
        return f"{field} in ({', '.join(values)})"
    return f"{field} {condition.operator} {values[0]}"


def query_of(conditions: tuple[Condition, ...]) -> str:
    """Return all conditions as query text."""
    return " and ".join(map(text_of, conditions))


def conditions_of(text: str) -> tuple[Condition, ...] | None:
    """Return the conditions of a query; None when it is more than a flat ``and``, or no query."""
    try:
        node = parse(text)
    except FilterError:
        return None
    if node is None:
        return ()
    parts = node.parts if isinstance(node, Both) else (node,)
    found = tuple(map(_condition, parts))
    return None if None in found else found  # type: ignore[return-value]  # none of them is None


def is_sound(text: str) -> bool:
    """Return whether a query parses."""
    try:
        parse(text)
    except FilterError:
        return False
    return True


def with_condition(text: str, condition: Condition) -> str:
    """Return the query that also holds ``condition``, whatever form the query has."""
    conditions = conditions_of(text)
    if conditions is None:
        return join(text, text_of(condition))
    return query_of((*(c for c in conditions if c != condition), condition))


def without_condition(text: str, index: int) -> str:
    """Return a flat query without its condition number ``index``; another one is left alone."""
    conditions = conditions_of(text)
    if conditions is None:
        return text
    return query_of(tuple(c for i, c in enumerate(conditions) if i != index))


def title_of(field: str) -> str:
    """Return a field as a heading: ``val_accuracy`` for ``metrics.val_accuracy``."""
    if field == ANYWHERE:
        return "anywhere"
    _, name = split_field(field)
    return _TITLES.get(field, name)


_TITLES = {
    "tags.mlops.data.revision": "data revision",
    "tags.mlops.git.commit": "git commit",
    "run_id": "run id",
    "started_at": "started",
    "ended_at": "ended",
    "duration_s": "duration",
    "main_metric": "main metric",
}


def sentence_of(condition: Condition) -> str:
    """Return a condition as a person reads it."""
    if condition.field == ANYWHERE:
        return f"anywhere: {condition.values[0]}"
    kind: FieldKind = "time" if condition.field in _TIMES else "text"
    word = operator_word(condition.operator, kind)
    return " ".join((title_of(condition.field), word, ", ".join(condition.values))).strip()


def _spelled(field: str) -> str:
    group, name = split_field(field)
    return field_name(group, name) if group else name


def _as_word(text: str) -> str:
    """Return a bare word: always quoted, so that ``and`` or ``a = b`` stay words."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"' if quote(text) != text else text


def _condition(node: Node) -> Condition | None:
    if isinstance(node, Words):
        return Condition(ANYWHERE, "~", (node.text,))
    if isinstance(node, Test):
        return Condition(_spelled(node.field), node.operator, node.values)
    return None
