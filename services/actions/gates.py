"""Promotion gates: bounds on the metrics of a version, written ``">= 0.90"``."""

import math
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from services.errors import InputError

_FORM = re.compile(r"\s*(>=|<=|==|>|<)\s*([-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?)\s*")
_COMPARE: dict[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    "==": operator.eq,
    ">": operator.gt,
    "<": operator.lt,
}


@dataclass(frozen=True, slots=True)
class GateResult:
    """One gate looked at: the metric, its value (None: not logged) and the bound."""

    metric: str
    bound: str
    value: float | None
    passed: bool

    @property
    def sentence(self) -> str:
        """Return the result as a person reads it."""
        if self.value is None:
            return f"{self.metric} was not logged; the gate wants {self.bound}."
        if not math.isfinite(self.value):
            return f"{self.metric} is {self.value}, which passes no gate; this one is {self.bound}."
        word = "passes" if self.passed else "fails"
        return f"{self.metric} is {self.value:.6g}, which {word} the gate {self.bound}."


def parse(metric: str, bound: str) -> tuple[str, float]:
    """Return (operator, number).

    Raises:
        InputError: The bound is malformed.
    """
    match = _FORM.fullmatch(str(bound))
    if match is None:
        raise InputError(
            f"The gate of {metric} is {str(bound)[:40]!r}, which is no bound.",
            'Write for example ">= 0.90" in [tool.mlops] gates.',
        )
    return match.group(1), float(match.group(2))


def evaluate(gates: Mapping[str, str], metrics: Mapping[str, float]) -> tuple[GateResult, ...]:
    """Look at every gate. A missing, NaN or infinite metric never passes.

    Raises:
        InputError: A bound is malformed.
    """
    results = []
    for metric, bound in gates.items():
        sign, number = parse(metric, bound)
        value = metrics.get(metric)
        passed = value is not None and math.isfinite(value) and _COMPARE[sign](value, number)
        results.append(GateResult(metric, f"{sign} {number:g}", value, passed))
    return tuple(results)
