"""Say what alerts lead to in a project, and what needs no approver."""

import time
from dataclasses import dataclass
from typing import ClassVar

from services.actions.action import Context, Deed, Step
from services.actions.roles import Actor, Role
from services.alerting.models import SEVERITIES, Severity
from services.errors import InputError
from services.retraining import collecting, store, wording
from services.retraining.models import (
    BOUNDS,
    COLLECTS,
    MODES,
    PROOFS,
    STRATEGIES,
    Collect,
    Mode,
    Policy,
    Proof,
    Strategy,
)

_BUDGETS = frozenset({"budget_minutes", "budget_joules"})
_FIGURES = {
    "cooldown_h": "The cool-down in hours",
    "most_per_week": "The most retrainings a week",
    "percent": "The share of the canary in percent",
    "judge_minutes": "The minutes beside the live version",
    "judge_requests": "The requests beside the live version",
    "patience_h": "The patience in hours",
    "budget_minutes": "The budget of minutes a week",
    "budget_joules": "The budget of joules a week",
    "collect_rows": "The least of collected rows",
}


@dataclass(frozen=True, slots=True)
class SetRetrainingPolicy:
    """Say what alerts lead to in a project, and what needs no approver."""

    kind: ClassVar[str] = "retrain-policy-set"
    role: ClassVar[Role] = "approver"

    project: str
    mode: Mode = "propose"
    min_severity: Severity = "warning"
    cooldown_h: float = 24.0
    most_per_week: int = 3
    budget_minutes: float | None = None
    budget_joules: float | None = None
    strategy: Strategy = "canary"
    percent: float = 10.0
    judge_minutes: float = 30.0
    judge_requests: int = 200
    patience_h: float = 24.0
    proof: Proof = "mode"
    collect: Collect = "no"
    collect_rows: int = 500

    @property
    def title(self) -> str:
        """What it does."""
        return f"Set the retraining of {self.project} to {self.mode}"

    @property
    def subject(self) -> str:
        """The project's policy."""
        return f"retraining-policy:{self.project}"

    @property
    def wanted(self) -> Policy:
        """The policy."""
        return Policy(**{name: getattr(self, name) for name in Policy.__dataclass_fields__})

    def check(self, context: Context, actor: Actor) -> None:
        """Refuse an unknown project, figures that are none, and collecting that teaches nothing."""
        del actor
        context.mirror.project(self.project)
        for word, words in (
            (self.mode, MODES), (self.min_severity, SEVERITIES), (self.strategy, STRATEGIES),
            (self.proof, PROOFS), (self.collect, COLLECTS),
        ):  # fmt: skip
            if word not in words:
                raise InputError(f"{str(word)[:40]!r} is none of {', '.join(words)}.")
        for name, said in _FIGURES.items():
            value = getattr(self, name)
            if value is None and name in _BUDGETS:
                continue
            least, most = BOUNDS[name]
            if name == "patience_h":
                least = self.judge_minutes / 60
            if not least <= value <= most:  # NaN is in no range
                raise InputError(f"{said} is {value:g}; it is {least:g} to {most:g}.")
        if self.wanted.collects:
            collecting.check(context, self.project)

    def consequences(self, context: Context) -> tuple[str, ...]:
        """Return what will be different."""
        context.mirror.project(self.project)
        return (
            *wording.said_of(self.wanted),
            "What was accepted already goes on as it was agreed.",
        )

    def steps(self, context: Context, deed: Deed) -> tuple[Step, ...]:
        """Return the steps."""
        at = float(deed.memory.setdefault("at", time.time()))
        if "before" not in deed.memory:
            before = store.policies(context.journal).get(self.project)
            names = Policy.__dataclass_fields__
            deed.memory["before"] = before and {name: getattr(before, name) for name in names}

        def put(wanted: Policy | None) -> None:
            store.set_policy(context.journal, self.project, wanted, deed.actor.name, at)

        def do() -> str:
            put(self.wanted)
            return wording.said_of(self.wanted)[0]

        def undo() -> None:
            said = deed.memory["before"]
            put(None if said is None else Policy(**said))

        return (Step("Keep the policy", do, undo),)
