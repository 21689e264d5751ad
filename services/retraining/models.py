"""What retraining knows: plain values, the same in the journal and on pages.

Times: seconds since 1970 UTC. Lengths: minutes where people say them, else seconds. None: not
known.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal, Self, get_args

from services.alerting.models import Severity

State = Literal[
    "open",  # waits for somebody's yes or no
    "accepted",  # is about to be launched
    "running",  # trains
    "judging",  # the new version stands beside the live one, or is about to
    "dismissed",  # by a person: before it began, or stopped on its way
    "promoted",
    "dropped",  # it trained, and the new version was not good enough
    "failed",  # there is no new version
]
ENDED: frozenset[State] = frozenset(("dismissed", "promoted", "dropped", "failed"))
UNDER_WAY: frozenset[State] = frozenset(("accepted", "running", "judging"))
Mode = Literal["off", "propose", "automatic"]
Strategy = Literal["canary", "shadow"]
Verdict = Literal["promote", "drop"]
Proof = Literal["mode", "told", "needed"]
Cause = Literal["data", "prediction", "accuracy"]
Collect = Literal["no", "labelled"]
Happening = Literal[
    "proposed", "merged", "refused", "accepted", "dismissed", "collected", "launched", "trained",
    "gates", "beside", "waits", "verdict", "stopped", "promoted", "dropped", "failed",
]  # fmt: skip
Number = float | int | str | None
"""One that a decision rests on."""
MODES: tuple[Mode, ...] = get_args(Mode)
STRATEGIES: tuple[Strategy, ...] = get_args(Strategy)
PROOFS: tuple[Proof, ...] = get_args(Proof)
COLLECTS: tuple[Collect, ...] = get_args(Collect)

POLICY = "retraining"
BY_POLICY = f"policy:{POLICY}"
"""Who asks for what an alert led to, and who carries out what was accepted."""
WEEK_S = 7 * 86_400.0
BOUNDS: Mapping[str, tuple[float, float]] = {
    "cooldown_h": (0, 8_760), "most_per_week": (0, 1_000), "budget_minutes": (0, 1e12),
    "budget_joules": (0, 1e12), "percent": (0.1, 50), "judge_minutes": (1, 7 * 1_440),
    "judge_requests": (0, 10_000_000), "patience_h": (1 / 60, 7 * 24), "collect_rows": (1, 200_000),
}  # fmt: skip
"""The least and the most of each figure of a policy; its patience is no shorter than
``judge_minutes``, too."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What a project allows. The defaults are those of a project that set nothing."""

    mode: Mode = "propose"
    """``off``: alerts lead to nothing; ``automatic``: what the bounds below allow needs nobody."""
    min_severity: Severity = "warning"
    """The least severe alert that leads to a proposal."""
    cooldown_h: float = 24.0
    """Between two retrainings of one model that nobody asked for."""
    most_per_week: int = 3
    """Of the project, within seven days; what people accepted counts too."""
    budget_minutes: float | None = None
    """Of training, within seven days; None: not bounded."""
    budget_joules: float | None = None
    strategy: Strategy = "canary"
    """How the new version stands beside the live one."""
    percent: float = 10.0
    """Of the requests that a canary answers."""
    judge_minutes: float = 30.0
    """It stands beside the live version at least so long,"""
    judge_requests: int = 200
    """and until it answered so many."""
    patience_h: float = 24.0
    """If they have not come by then, nobody can tell, and it is dropped."""
    proof: Proof = "mode"
    """Whether it must be seen that the new version is good and cures what it was made for:
    ``needed``, else it is dropped; ``told``, nothing waits for it; ``mode``: needed where nobody is
    asked."""
    collect: Collect = "no"
    """Which rows of the prediction log are brought into the data before it trains."""
    collect_rows: int = 500
    """With fewer labelled rows that no earlier collection holds, nothing is trained."""

    @property
    def needs_proof(self) -> bool:
        """Return whether nothing is promoted without it."""
        return self.proof == "needed" or (self.proof == "mode" and self.mode == "automatic")

    @property
    def collects(self) -> bool:
        """Return whether rows are collected before it trains."""
        return self.collect != "no"


@dataclass(frozen=True, slots=True)
class Data:
    """With which data it trains."""

    revision: str | None
    """The version that is checked out first; None: the folder as it is."""
    before: str | None
    """Of the version that is in service."""
    newer: bool | None
    """Whether it is other data than that; None: not known."""
    said: str
    declared: bool = True
    """Whether the project declares data; one that does not makes its own as it trains."""
    bad: str = ""
    """Why it is marked as bad or came from what is, as a sentence; empty: nothing is known."""
    rows: int | None = None
    """Labelled rows, new since earlier collections, that are collected before it trains; None:
    none are to be, or why they cannot be is in ``lacks``."""
    lacks: str = ""
    """Why the rows that are to be collected cannot be now, as a sentence; empty: they can."""

    @property
    def collects(self) -> bool:
        """Return whether rows are to be collected first."""
        return self.rows is not None or bool(self.lacks)


@dataclass(frozen=True, slots=True)
class Range:
    """A figure from history: the middle of the past and between what it lay."""

    median: float
    low: float
    high: float
    count: int


@dataclass(frozen=True, slots=True)
class Gain:
    """What earlier retrainings of the model brought."""

    metric: str
    goal: Literal["max", "min"]
    change: Range
    """Of the metric, new minus old; each version by its own evaluation."""


@dataclass(frozen=True, slots=True)
class Figures:
    """What a decision about a retraining rests on, as it was when it was looked at."""

    data: Data
    minutes: Range | None
    joules: Range | None
    gain: Gain | None
    again: int | None = None
    """The retraining that answered the same with the same data, and was promoted."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """One reason: an alert, as it was when it was taken up, or a person's words."""

    at: float
    said: str
    alert: int | None = None
    severity: Severity = "info"
    columns: tuple[str, ...] = ()
    """Those that moved, the one with most weight first, a sentence each."""
    by: str = ""
    """The person whose words these are; empty: an alert's."""
    key: str = ""
    """Of the alert: the same cause has it again; empty: it was not noted then."""

    @property
    def cause(self) -> Cause | None:
        """Return which verdict is to be steady again; None: it is a person's, or was not noted."""
        last = self.key.rpartition("/")[2]
        if not last:
            return None
        return "data" if last == "data" else "prediction" if last == "prediction" else "accuracy"


@dataclass(frozen=True, slots=True)
class Proposal:
    """One retraining, from the reason for it to what became of it."""

    id: int
    """0: not written yet."""
    project: str
    model: str
    version: int | None
    """In service, or the newest, when it was proposed."""
    alert_id: int | None
    """The first alert; ``evidence`` has all."""
    thread: str
    """Ties alert, retraining, run and version together."""
    why: str
    data: Data
    minutes: Range | None
    joules: Range | None
    gain: Gain | None
    state: State
    requested_by: str
    created_at: float
    evidence: tuple[Evidence, ...] = ()
    again: int | None = None
    """The retraining that answered the same with the same data, and was promoted."""
    approved_by: str | None = None
    """Who accepted or dismissed it."""
    decided_at: float | None = None
    reason: str = ""
    """What they said."""
    policy: Policy = field(default_factory=Policy)
    """As it was when it was accepted: what was agreed is what is done."""
    refused: str = ""
    """Why it was not accepted by itself."""
    collect: int | None = None
    """The action that collects what it learns from."""
    collected: str = ""
    """The version of the data that this made; empty: none."""
    launch: int | None = None
    """The action that launches it."""
    workflow: tuple[str, str] | None = None
    """DAG and run."""
    run_id: str | None = None
    """The training run of the new version."""
    candidate: int | None = None
    """The new version."""
    proved: bool = False
    """Whether gates, or its evaluation on the data of the version before, say that it is good."""
    tagged: bool = False
    """Whether run and version carry the thread."""
    deploy: int | None = None
    """The action that puts it beside the live one."""
    beside_since: float | None = None
    """When the new version began to stand beside the live one."""
    steer: int | None = None
    """The action that makes it live, or ends its rollout."""
    verdict: Verdict | Literal[""] = ""
    judged: str = ""
    """Why the verdict is so."""
    alias: int | None = None
    """The action that makes it champion."""
    said: str = ""
    """How it stands, as a sentence."""
    stuck_since: float | None = None
    """Since when the same thing does not work."""
    stopped: str = ""
    """Who had it end on its way, and why, as a sentence."""
    cancel: int | None = None
    """The action that ends its workflow then."""
    ended_at: float | None = None
    took_minutes: float | None = None
    """Of training, measured."""
    took_joules: float | None = None
    change: float | None = None
    """Of the primary metric, new version minus the one before; None: one of them has none."""

    @property
    def name(self) -> str:
        """Return the model's name over all projects."""
        return f"{self.project}.{self.model}"

    @property
    def ended(self) -> bool:
        """Return whether nothing more will happen to it."""
        return self.state in ENDED

    @property
    def alerts(self) -> tuple[int, ...]:
        """Return the alerts that it answers."""
        return tuple(one.alert for one in self.evidence if one.alert is not None)

    @property
    def causes(self) -> tuple[Cause, ...]:
        """Return which verdicts are to be steady again."""
        return tuple(dict.fromkeys(one.cause for one in self.evidence if one.cause is not None))

    @property
    def by_alerts_alone(self) -> bool:
        """Return whether no person gave a reason for it."""
        return all(one.alert is not None for one in self.evidence)

    @property
    def asked_by(self) -> tuple[str, ...]:
        """Return all whose reasons it holds, the first first: none of them accepts it."""
        names = (self.requested_by, *(one.by for one in self.evidence if one.by))
        return tuple(dict.fromkeys(names))

    @property
    def figures(self) -> Figures:
        """Return what a decision about it rests on."""
        return Figures(self.data, self.minutes, self.joules, self.gain, self.again)

    def with_figures(self, found: Figures) -> Self:
        """Return it with what is true now."""
        return replace(
            self, data=found.data, minutes=found.minutes, joules=found.joules, gain=found.gain,
            again=found.again,
        )  # fmt: skip

    @property
    def severity(self) -> Severity:
        """Return that of its worst reason."""
        order: tuple[Severity, ...] = get_args(Severity)
        return max((one.severity for one in self.evidence), key=order.index, default="info")

    def as_json(self) -> dict[str, Any]:
        """Return it as the journal holds it."""
        said = asdict(self)
        del said["id"]
        return said

    @classmethod
    def from_json(cls, number: int, said: Mapping[str, Any]) -> Self:
        """Return what ``as_json`` wrote; unknown keys are of a later version and left out."""
        known = {name: said[name] for name in cls.__dataclass_fields__ if name in said}
        known["data"] = Data(**known["data"])
        for name in ("minutes", "joules"):
            known[name] = Range(**known[name]) if known[name] else None
        gain = known["gain"]
        known["gain"] = Gain(**{**gain, "change": Range(**gain["change"])}) if gain else None
        known["evidence"] = tuple(
            Evidence(**{**one, "columns": tuple(one["columns"])}) for one in known["evidence"]
        )
        known["policy"] = policy_of(known.get("policy") or {})
        workflow = known.get("workflow")
        known["workflow"] = (str(workflow[0]), str(workflow[1])) if workflow else None
        return cls(**{**known, "id": number})


@dataclass(frozen=True, slots=True)
class Happened:
    """One step of a thread."""

    at: float
    what: str
    """One of ``Happening``, or ``alert``: what became of the alert itself."""
    said: str
    actor: str = "platform"
    numbers: Mapping[str, Number] = field(default_factory=dict)
    """What a decision rests on."""
    link: str = ""
    """The page of the dashboard that shows it, from its root on."""


def policy_of(said: Mapping[str, Any]) -> Policy:
    """Return a policy from the journal; unknown keys are of a later version and left out."""
    return Policy(**{name: said[name] for name in Policy.__dataclass_fields__ if name in said})
