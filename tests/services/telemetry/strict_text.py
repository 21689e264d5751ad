"""A strict reader of Prometheus' text format 0.0.4: whatever its rules do not allow is an error.

The rules: https://prometheus.io/docs/instrumenting/exposition_formats/ (text format), and of names
and units https://prometheus.io/docs/practices/naming/. Readers in use forgive more than they say.
"""

import math
import re
from dataclasses import dataclass, field

NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
LABEL = re.compile(r"(?!__)[a-zA-Z_][a-zA-Z0-9_]*")
NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")
TYPES = {"counter", "gauge", "histogram", "summary", "untyped"}
BASE_UNITS = ("seconds", "bytes", "watts", "celsius", "hertz", "ratio", "bytes_per_second")
NO_BASE_UNITS = ("milliseconds", "ms", "mhz", "megahertz", "kilobytes", "percent", "joules_per_s")


class FormatError(AssertionError):
    """A line that breaks a rule."""


@dataclass
class Metric:
    """One group of lines."""

    name: str
    text: str
    kind: str = ""
    samples: dict[tuple[tuple[str, str], ...], float] = field(default_factory=dict)


def parse(said: str) -> dict[str, Metric]:
    """Return the metrics of a scrape by name.

    Raises:
        FormatError: A rule is broken; the message has the line.
    """
    _need(said.endswith("\n"), said[-40:])
    found: dict[str, Metric] = {}
    now: Metric | None = None
    for line in said[:-1].split("\n"):
        if line.startswith("# HELP "):
            name, _, text = line.removeprefix("# HELP ").partition(" ")
            _need(name not in found, line)  # once, and all lines of a metric together
            now = found[name] = Metric(_named(name, line), _unescaped(text, "\\n", line))
        elif line.startswith("# TYPE "):
            name, _, kind = line.removeprefix("# TYPE ").partition(" ")
            _need(now is not None and name == now.name and not now.kind, line)
            _need(kind in TYPES and not now.samples, line)
            now.kind = kind
        else:
            _need(now is not None and bool(now.kind), line)
            labels, value = _sample(line, now.name)
            _need(labels not in now.samples, line)
            now.samples[labels] = value
    for metric in found.values():
        _need(bool(metric.samples), f"{metric.name} has no sample")
        _conventions(metric)
    return found


def _sample(line: str, name: str) -> tuple[tuple[tuple[str, str], ...], float]:
    _need(line.startswith(name), line)
    rest = line[len(name) :]
    labels: list[tuple[str, str]] = []
    if rest.startswith("{"):
        rest = rest[1:]
        while not rest.startswith("}"):
            key = LABEL.match(rest)
            _need(key is not None and rest[key.end() :].startswith('="'), line)
            value, rest = _quoted(rest[key.end() + 2 :], line)
            labels.append((key[0], value))
            _need(rest[0] in ",}", line)
            rest = rest[1:] if rest[0] == "," else rest
        rest = rest[1:]
    _need(rest.startswith(" ") and NUMBER.fullmatch(rest[1:]) is not None, line)
    value = float(rest[1:])
    _need(math.isfinite(value), line)
    keys = [key for key, _ in labels]
    _need(len(keys) == len(set(keys)), line)
    return tuple(sorted(labels)), value


def _quoted(said: str, line: str) -> tuple[str, str]:
    """Return a label's value up to the quote that ends it, and what comes after."""
    end = 0
    while said[end : end + 1] != '"':
        _need(end < len(said), line)
        end += 2 if said[end] == "\\" else 1
    return _unescaped(said[:end], '\\n"', line), said[end + 1 :]


def _unescaped(said: str, allowed: str, line: str) -> str:
    for escape in re.findall(r"\\(.?)", said.replace("\\\\", "")):
        _need(escape in allowed and escape != "", line)
    return re.sub(r"\\(.)", lambda m: "\n" if m[1] == "n" else m[1], said)


def _named(name: str, line: str) -> str:
    _need(NAME.fullmatch(name) is not None, line)
    return name


def _conventions(metric: Metric) -> None:
    name = metric.name
    _need(name.startswith("mlops_"), name)
    _need((metric.kind == "counter") == name.endswith("_total"), f"{name} is a {metric.kind}")
    _need(metric.text.strip() != "" and metric.text.endswith("."), f"{name}: {metric.text!r}")
    words = name.removesuffix("_total")
    _need(not words.endswith(NO_BASE_UNITS), f"{name} is in no base unit")
    if metric.kind == "counter":
        _need(all(value >= 0 for value in metric.samples.values()), f"{name} is below 0")
    if words.endswith("_ratio"):
        _need(all(0 <= v <= 1 for v in metric.samples.values()), f"{name} is not within 0 to 1")


def _need(holds: object, line: str) -> None:
    if not holds:
        raise FormatError(line)
