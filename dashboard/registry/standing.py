"""How a version stands: against its project's gates, and against the champion."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dashboard.numbers import Delta, Goal, delta
from services.actions.gates import GateResult, evaluate
from services.errors import InputError
from services.mirror.models import ModelVersion, ProjectSummary, RegisteredModel
from services.mirror.projects import CHAMPION, goal_of


@dataclass(frozen=True, slots=True)
class Verdict:
    """The gates of a project looked at for one version."""

    results: tuple[GateResult, ...]
    problem: str = ""
    """Why the gates cannot be looked at: one of them is malformed."""

    @property
    def failing(self) -> tuple[GateResult, ...]:
        """The gates that do not hold."""
        return tuple(gate for gate in self.results if not gate.passed)

    @property
    def state(self) -> str:
        """``passed``, ``failed``, ``problem`` (malformed) or ``no gates``."""
        if self.problem:
            return "problem"
        if not self.results:
            return "no gates"
        return "failed" if self.failing else "passed"

    @property
    def sentence(self) -> str:
        """All of it in a sentence or two, the failing gates by metric, value and bound."""
        if self.problem:
            return self.problem
        if not self.results:
            return "The project declares no gates: any version may be promoted."
        if self.failing:
            return " ".join(gate.sentence for gate in self.failing)
        return " ".join(gate.sentence for gate in self.results)


def judge(gates: Mapping[str, str], metrics: Mapping[str, float]) -> Verdict:
    """Look at every gate; a malformed one is told, not raised."""
    try:
        return Verdict(evaluate(gates, metrics))
    except InputError as error:
        return Verdict((), f"{error.message} {error.hint}".strip())


@dataclass(frozen=True, slots=True)
class Rules:
    """What a project says of its versions: the metric that counts, which way, and the gates."""

    metric: str | None
    goal: Goal
    gates: Mapping[str, str]

    def goal_of(self, metric: str) -> Goal:
        """Return which way a metric is better: by its gate, by the contract, or by its name."""
        if metric == self.metric:
            return self.goal
        bound = str(self.gates.get(metric, "")).strip()
        if bound.startswith((">", "<")):
            return "max" if bound.startswith(">") else "min"
        return goal_of(metric)


NO_RULES = Rules(None, "max", {})


def rules_of(project: ProjectSummary | None) -> Rules:
    """Return a project's rules; a project nobody declared has none."""
    if project is None:
        return NO_RULES
    return Rules(project.primary_metric, project.goal, project.gates)


def value_of(version: ModelVersion | None, metric: str | None) -> float | None:
    """Return a metric of a version, None when there is no such version, metric or value."""
    if version is None or metric is None:
        return None
    return version.metrics.get(metric)


def better(value: float | None, than: float | None, goal: Goal) -> bool:
    """Return whether a value beats another; a known finite one beats an unknown one."""
    if value is None or not math.isfinite(value):
        return False
    if than is None or not math.isfinite(than):
        return True
    return value > than if goal == "max" else value < than


def versus(version: ModelVersion, other: ModelVersion | None, rules: Rules) -> Delta | None:
    """Return how a version's primary metric differs from another's; None for itself."""
    if other is None or version.version == other.version:
        return None
    metric = rules.metric
    return delta(value_of(version, metric), value_of(other, metric), rules.goal)


def candidates(model: RegisteredModel, rules: Rules) -> tuple[ModelVersion, ...]:
    """Return the versions that pass all gates and beat the champion, the best first.

    Without a declared primary metric nothing can be better, so there are none.
    """
    champion = model.with_alias(CHAMPION)
    bar = value_of(champion, rules.metric)
    found = [
        version
        for version in model.versions
        if not version.archived
        and CHAMPION not in version.aliases
        and judge(rules.gates, version.metrics).state in ("passed", "no gates")
        and better(value_of(version, rules.metric), bar, rules.goal)
    ]
    return _best_first(found, rules)


def _best_first(versions: Sequence[ModelVersion], rules: Rules) -> tuple[ModelVersion, ...]:
    sign = -1 if rules.goal == "max" else 1

    def key(version: ModelVersion) -> tuple[float, int]:
        value = value_of(version, rules.metric)
        return (sign * (value if value is not None else 0.0), -version.version)

    return tuple(sorted(versions, key=key))


def champion_now(model: RegisteredModel) -> ModelVersion | None:
    """Return the version promoted to production."""
    return model.with_alias(CHAMPION)
