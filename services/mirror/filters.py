"""The text query over runs: one grammar for the filter box, the builder, the URL and the CLI.

::

    query   = or ;  or = and {"or" and} ;  and = not {["and"] not} ;  not = ["not"] atom
    atom    = "(" query ")" | field test | word
    test    = ("=" | "!=" | ">" | ">=" | "<" | "<=" | "~" | "!~") value
            | ["not"] "in" "(" value {"," value} ")" | "exists" | "missing"
    field   = attribute | ("metrics" | "params" | "tags") "." (name | '"name"')

``~`` is "contains", without regard to case. A bare word looks into name, technique, project and
run id. Values with blanks or signs are quoted. Times are ISO dates (UTC), or ``-24h``, ``-7d``.
"""

import re
from dataclasses import dataclass
from typing import Literal

from services.errors import FilterError

Operator = Literal["=", "!=", ">", ">=", "<", "<=", "~", "!~", "in", "exists", "missing"]
ATTRIBUTES = (
    "status",
    "project",
    "name",
    "technique",
    "user",
    "host",
    "run_id",
    "started_at",
    "ended_at",
    "duration_s",
    "baseline",
)
GROUPS = ("metrics", "params", "tags")
MAX_LENGTH = 10_000
_MAX_DEPTH = 50

_TOKEN = re.compile(
    r"""\s*(?:
        (?P<sign>>=|<=|!=|!~|==|=|>|<|~|\(|\)|,)
      | (?P<quoted>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
      | (?P<word>(?:[^\s()=<>!~,"'.]+|\.(?!"))+(?:\."(?:[^"\\]|\\.)*")?)
    )""",
    re.VERBOSE,
)
_PLAIN = re.compile(r"[A-Za-z0-9_\-+./:@%]+")
_WORDS = frozenset({"and", "or", "not", "in", "exists", "missing"})


@dataclass(frozen=True, slots=True)
class Test:
    """``field operator values``; ``position`` is where it stands in the text."""

    field: str
    operator: Operator
    values: tuple[str, ...]
    position: int


@dataclass(frozen=True, slots=True)
class Words:
    """A bare word: name, technique, project or run id contains it."""

    text: str


@dataclass(frozen=True, slots=True)
class Not:
    """Negation."""

    part: "Node"


@dataclass(frozen=True, slots=True)
class Both:
    """All parts hold."""

    parts: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Either:
    """At least one part holds."""

    parts: tuple["Node", ...]


Node = Test | Words | Not | Both | Either


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    """sign, quoted, word or end."""
    text: str
    position: int

    def is_word(self, *words: str) -> bool:
        return self.kind == "word" and self.text.lower() in words


def quote(value: str) -> str:
    """Return ``value`` so that it stands in a query as one value."""
    if _PLAIN.fullmatch(value) and value.lower() not in _WORDS:
        return value
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def field_name(group: str, name: str) -> str:
    """Return ``metrics.loss``, or ``metrics."val acc"`` for a name that needs quotes."""
    if re.fullmatch(r"[A-Za-z0-9_\-/.:@%+]+", name):
        return f"{group}.{name}"
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'{group}."{escaped}"'


def split_field(field: str) -> tuple[str, str]:
    """Return ``("metrics", "val acc")`` of a field of a group, ``("", field)`` of an attribute."""
    group, dot, name = field.partition(".")
    if not dot or group not in GROUPS:
        return "", field
    if len(name) > 1 and name[0] == name[-1] == '"':
        name = _unescaped(name)
    return group, name


def join(*queries: str) -> str:
    """Return the query that holds when all of ``queries`` hold."""
    parts = [query.strip() for query in queries if query.strip()]
    return parts[0] if len(parts) == 1 else " and ".join(f"({part})" for part in parts)


def parse(text: str) -> Node | None:
    """Read a query; None for an empty one.

    Raises:
        FilterError: It does not parse; the error names the character at fault.
    """
    if len(text) > MAX_LENGTH:
        sentence = f"The filter has {len(text):,} characters; {MAX_LENGTH:,} are the most."
        raise FilterError(sentence, text[:80], 80)
    parser = _Parser(text)
    if parser.now.kind == "end":
        return None
    node = parser.either(0)
    if parser.now.kind != "end":
        raise parser.error("This is one too many", "Is an opening bracket or an `and` missing?")
    return node


def _unescaped(quoted: str) -> str:
    return re.sub(r"\\(.)", r"\1", quoted[1:-1])


def _tokens(text: str) -> list[_Token]:
    tokens, position = [], 0
    end = len(text.rstrip())
    while position < end:
        match = _TOKEN.match(text, position)
        if match is None:
            while text[position].isspace():
                position += 1
            hint = "Close the quotes." if text[position] in "\"'" else "Put such text in quotes."
            raise FilterError(_at("This cannot be read", text, position), text, position, hint)
        kind = match.lastgroup or "word"
        start = match.start(kind)
        tokens.append(_Token(kind, match.group(kind), start))
        position = match.end()
    tokens.append(_Token("end", "", len(text)))
    return tokens


def _at(problem: str, text: str, position: int) -> str:
    where = f"at character {position + 1}" if position < len(text) else "at the end"
    return f"{problem} {where} of the filter."


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = _tokens(text)
        self._next = 0

    @property
    def now(self) -> _Token:
        return self._tokens[self._next]

    def take(self) -> _Token:
        token = self.now
        self._next += 1
        return token

    def error(self, problem: str, hint: str, token: _Token | None = None) -> FilterError:
        position = (token or self.now).position
        return FilterError(_at(problem, self._text, position), self._text, position, hint)

    def either(self, depth: int) -> Node:
        parts = [self.both(depth)]
        while self.now.is_word("or"):
            self.take()
            parts.append(self.both(depth))
        return parts[0] if len(parts) == 1 else Either(tuple(parts))

    def both(self, depth: int) -> Node:
        parts = [self.negation(depth)]
        while True:
            if self.now.is_word("and"):
                self.take()
            elif self.now.kind == "end" or self.now.text == ")" or self.now.is_word("or"):
                break
            parts.append(self.negation(depth))
        return parts[0] if len(parts) == 1 else Both(tuple(parts))

    def negation(self, depth: int) -> Node:
        if depth > _MAX_DEPTH:
            raise self.error("The brackets are nested too deeply", "Fifty levels are the most.")
        if self.now.is_word("not"):
            self.take()
            return Not(self.negation(depth + 1))
        if self.now.text == "(" and self.now.kind == "sign":
            self.take()
            node = self.either(depth + 1)
            if self.now.text != ")":
                raise self.error("A closing bracket is missing", "Close it with `)`.")
            self.take()
            return node
        return self.test()

    def test(self) -> Node:
        token = self.take()
        if token.kind == "end" or token.is_word("and", "or"):
            hint = "Write a comparison such as `metrics.loss < 0.2`."
            raise self.error("A comparison is missing", hint, token)
        if token.kind == "sign":
            raise self.error("A field is missing", "A comparison begins with a field.", token)
        turned = self.now.is_word("not") and self._tokens[self._next + 1].is_word("in")
        if turned:
            self.take()
        operator = self.operator()
        if operator is None:
            word = _unescaped(token.text) if token.kind == "quoted" else token.text
            return Words(word)
        self.check_field(token)
        test = Test(token.text, operator, self.values(operator), token.position)
        return Not(test) if turned else test

    def operator(self) -> Operator | None:
        token = self.now
        if token.kind == "sign" and token.text not in {"(", ")", ","}:
            self.take()
            return "=" if token.text == "==" else token.text  # type: ignore[return-value]  # the signs
        if token.is_word("in", "exists", "missing"):
            self.take()
            return token.text.lower()  # type: ignore[return-value]  # the three words above
        return None

    def check_field(self, token: _Token) -> None:
        group, name = split_field(token.text)
        if token.kind == "quoted" or (not group and name not in ATTRIBUTES):
            hint = f"Fields are {', '.join(ATTRIBUTES)}, metrics.NAME, params.NAME and tags.NAME."
            raise self.error(f"There is no field {token.text}", hint, token)
        if group and not name:
            raise self.error(f"A name is missing after {group}.", "For example metrics.loss", token)

    def values(self, operator: Operator) -> tuple[str, ...]:
        if operator in {"exists", "missing"}:
            return ()
        if operator != "in":
            return (self.value(),)
        if self.take().text != "(":
            self._next -= 1
            raise self.error("A bracket is missing", "Write `in (a, b)`.")
        found = [self.value()]
        while self.now.text == ",":
            self.take()
            found.append(self.value())
        if self.now.text != ")":
            raise self.error("A closing bracket is missing", "Write `in (a, b)`.")
        self.take()
        return tuple(found)

    def value(self) -> str:
        token = self.now
        if token.kind in {"sign", "end"}:
            raise self.error("A value is missing", 'Put a value after the operator, e.g. "a b".')
        self.take()
        return _unescaped(token.text) if token.kind == "quoted" else token.text
