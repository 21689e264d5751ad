"""What is known of a retraining that is under way, as its steps look at it."""

from dataclasses import dataclass
from typing import Literal

from services.actions.gates import GateResult
from services.retraining.models import Data

Ask = Literal["collect", "launch", "tag", "deploy", "promote", "abort", "alias", "cancel"]


@dataclass(frozen=True, slots=True)
class Asked:
    """An action that was asked for."""

    id: int
    state: Literal["under way", "done", "failed"]
    said: str = ""
    workflow: tuple[str, str] | None = None
    """Of a launch that is done: DAG and run."""


@dataclass(frozen=True, slots=True)
class Ran:
    """The workflow's run."""

    state: Literal["active", "success", "failed"]
    said: str = ""
    """Of a failure, why."""
    registers: bool | None = None
    """Whether it registered a version; None: not known."""
    minutes: float | None = None
    """It took, from its first task to its end; None: it goes on, or that is not known."""


@dataclass(frozen=True, slots=True)
class Trained:
    """The new version."""

    version: int
    run_id: str
    gates: tuple[GateResult, ...]
    minutes: float | None
    joules: float | None
    metric: str | None
    before: float | None
    """The metric of the version before; None: not known."""
    after: float | None
    goal: Literal["max", "min"] = "max"
    same_data: bool = False
    """Whether both were trained, and so evaluated, with the same version of the data."""

    @property
    def proved(self) -> bool:
        """Return whether gates, or an evaluation like that of the one before, say it is good."""
        return bool(self.gates) or (self.same_data and self.change is not None)

    @property
    def change(self) -> float | None:
        """Return new minus old."""
        if self.before is None or self.after is None:
            return None
        return self.after - self.before

    @property
    def worse(self) -> bool:
        """Return whether it is known to be worse than the one before."""
        change = self.change
        return change is not None and (change < 0 if self.goal == "max" else change > 0)


@dataclass(frozen=True, slots=True)
class Beside:
    """The new version beside the live one."""

    since: float
    requests: int
    """That it answered, or was asked a copy of."""
    worse: str = ""
    """Why it is known to be worse than the live one; empty: it is not."""
    said: str = ""
    """What labels say of both, empty: there are too few."""
    labelled: bool = False
    """Whether labels of both, enough of them, do not even hint that it is worse."""
    cured: bool | None = None
    """Whether its own verdicts of that kind for which it was made are steady; None: not known."""
    own: str = ""
    """What these verdicts say; empty: there is none."""


@dataclass(frozen=True, slots=True)
class End:
    """How its rollout ended."""

    kind: Literal["live", "rolled-back", "failed", "undeployed"]
    said: str


@dataclass(frozen=True, slots=True)
class Known:
    """All that is known at one time; None: not known, or not asked for yet."""

    now: float
    collect: Asked | None = None
    collected: Data | None = None
    """With which data it trains, now that they are collected."""
    launch: Asked | None = None
    run: Ran | None = None
    trained: Trained | None = None
    live: int | None = None
    """The version in service; None: none is."""
    off: str = ""
    """Why nothing can be put into service now."""
    champion: int | None = None
    """The version that has the alias; None: none has, or it is not asked for."""
    busy: str = ""
    """Which other rollout is under way."""
    deploy: Asked | None = None
    beside: Beside | None = None
    end: End | None = None
    steer: Asked | None = None
    alias: Asked | None = None
