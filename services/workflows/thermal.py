"""The thermal policy: what a machine's state lets its jobs do, with hysteresis.

Levels of heat and what follows (FACTS: none is published; ours): 0 normal; 1 no second heavy job;
2 no new heavy job; 3 and 4 checkpoint and pause; normal again after a minute at 0. Memory pressure
2 lets nothing new be loaded, 4 pauses the largest training job. On battery no second heavy job,
on a low one none, on a nearly empty one training pauses. Low Power Mode only marks runs: it makes
them slow, not unsafe. The policy speaks of the machine, so of all projects alike, and never of
endpoints.

What is not known decides nothing: where a figure is missing the policy says so, keeps what it
decided before, and loosens it after a while by one step.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from services.engines.silicon.models import METRICS, Reading
from services.resources.pools import Opening
from services.telemetry.models import HostState
from services.workflows.words import span

Stance = Literal["open", "single", "hold", "pause"]
STANCES: tuple[Stance, ...] = ("open", "single", "hold", "pause")
Act = Literal["open_pools", "shrink_pools", "close_pools", "pause_all", "pause_largest", "resume"]

CALM_S = 60.0
"""How long the state must be better before the policy loosens."""
STALE_S = 30.0
"""A reading older than that says nothing of now: agents report at least so often."""
BLIND_S = 900.0
"""So long without a figure that was the reason for a stance, and it is loosened to ``single``:
machines cool within minutes, and a sampler that ended must not hold all work for ever."""
CONFIRM_S = 1.0
"""Pausing takes a second sample that says the same: one reading gone astray stops no run."""
AGAIN_S = 20.0
"""After pausing the largest job for memory: if it is as short as before, the next one follows."""
LONGEST_STEP_S = 10.0
"""Of the time between two looks no more counts as calm: neither sleep nor a clock that was set."""

LOW_BATTERY, EMPTY_BATTERY = 0.5, 0.15

_WATCHED = ("thermal_level", "memory_pressure", "low_power_mode", "on_battery", "battery_ratio")
_BY_HEAT: tuple[Stance, ...] = ("open", "single", "hold", "pause", "pause")
_HEAT = ("nominal", "moderate", "heavy", "trapping", "sleeping")


@dataclass(frozen=True, slots=True)
class Figure:
    """One reading that a decision rests on, or why it was missing."""

    metric: str
    value: float | None
    source: str
    at: float | None
    """When it was taken, in seconds since 1970."""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """What one rule makes of the readings."""

    rule: Literal["heat", "memory", "battery", "none"]
    stance: Stance
    said: str
    """Why, as a sentence."""


@dataclass(frozen=True, slots=True)
class HostPolicy:
    """Where the policy stands with one machine; begin with ``HostPolicy(host)``."""

    host: str
    stance: Stance = "open"
    since: float = 0.0
    rule: Literal["heat", "memory", "battery", "none"] = "none"
    said: str = ""
    """Why; empty while all is normal."""
    paused: bool = False
    """Training was asked to pause and not yet to go on."""
    calm_s: float = 0.0
    """For how long the figure behind the stance has been normal."""
    worse_s: float | None = None
    """For how long samples have asked for a pause; None: they do not."""
    blind_s: float = 0.0
    """For how long the figure behind the stance has been missing."""
    looked_at: float | None = None
    sampled_at: float | None = None
    low_power: bool | None = None
    """Runs that start now are marked; None: not known."""
    unknown: tuple[str, ...] = ()
    """What the policy cannot see, a sentence each."""

    @property
    def opening(self) -> Opening:
        """Return how far the machine's pools are open."""
        if self.stance in {"open", "single"}:
            return "open" if self.stance == "open" else "single"
        return "closed" if self.rule == "memory" else "no_heavy"

    def refuses(self, heavy_running: int, *, heavy: bool) -> str:
        """Return why a new job must wait here, empty when it need not.

        Args:
            heavy_running: Heavy training jobs on the machine now.
            heavy: Whether the new one is heavy. A light one waits for memory pressure alone.
        """
        if self.stance == "open" or (not heavy and self.rule != "memory"):
            return ""
        if self.stance == "single":
            return f"{self.said} One heavy job runs at a time." if heavy and heavy_running else ""
        return self.said

    @property
    def unblocks(self) -> str:
        """Return what would end the wait, as a sentence; empty when nothing waits."""
        return {
            "heat": f"The machine cools to level 0 and stays there for {span(CALM_S)}.",
            "memory": "Other programs on the machine give memory back.",
            "battery": "The machine is plugged in.",
            "none": "",
        }[self.rule]


@dataclass(frozen=True, slots=True)
class Decision:
    """One change of stance, with everything it rests on."""

    host: str
    at: float
    before: Stance
    stance: Stance
    rule: str
    acts: tuple[Act, ...]
    said: str
    figures: tuple[Figure, ...]


def figures_of(state: HostState, now: float) -> tuple[Figure, ...]:
    """Return what the policy looks at of a machine, the missing ones with their reason."""
    at = state.last_at.timestamp() if state.last_at else None
    if at is None:
        missing = "it never sent telemetry"
    else:
        missing = "" if now - at <= STALE_S else f"nothing came for {span(now - at)}"
    return tuple(_figure(state.reading(metric), metric, at, missing) for metric in _WATCHED)


def step(
    policy: HostPolicy, figures: tuple[Figure, ...], now: float
) -> tuple[HostPolicy, Decision | None]:
    """Look at a machine once; return where the policy stands now, and what it decided if anything.

    Stricter at once (a pause on the second sample); looser after a minute in which the figure that
    was the reason was normal, and then right down to what the others allow. Call it for every
    sample, or every few seconds: the same sample seen twice counts once.
    """
    known = {one.metric: one.value for one in figures if one.value is not None}
    found = (_heat(policy.host, known), _memory(policy.host, known), _battery(policy.host, known))
    worst = max(found, key=lambda one: (_rank(one.stance), one.rule == policy.rule))
    seen, passed = _looked(policy, figures, known, now)
    if _rank(worst.stance) > _rank(seen.stance):
        return _tighten(seen, worst, figures, passed, now)
    if seen.stance == "open":
        return replace(seen, worse_s=None), None
    if _NEEDED[seen.rule] not in known:
        return _blind(seen, policy, figures, now)
    own = next(one for one in found if one.rule == seen.rule)
    seen = replace(seen, blind_s=0.0)
    if worst.stance == seen.stance:
        return _same(seen, worst, figures, passed, now)
    if own.stance != "open":
        return replace(seen, calm_s=0.0, worse_s=None), None
    calm_s = seen.calm_s + passed
    if calm_s < CALM_S:
        return replace(seen, calm_s=calm_s, worse_s=None), None
    return _to(seen, worst, figures, now)


def _looked(
    policy: HostPolicy, figures: tuple[Figure, ...], known: Mapping[str, float], now: float
) -> tuple[HostPolicy, float]:
    """Return the policy with what this look shows, and the time since the sample before."""
    at = max((one.at for one in figures if one.value is not None and one.at), default=None)
    before = policy.sampled_at
    passed = 0.0 if at is None or before is None else at - before
    low_power = known.get("low_power_mode")
    seen = replace(
        policy,
        looked_at=now,
        sampled_at=before if at is None else at,
        low_power=None if low_power is None else low_power >= 1,
        unknown=_unknown(figures),
    )
    return seen, min(max(0.0, passed), LONGEST_STEP_S)


def _tighten(
    seen: HostPolicy, worst: Finding, figures: tuple[Figure, ...], passed: float, now: float
) -> tuple[HostPolicy, Decision | None]:
    if worst.stance != "pause":
        return _to(seen, worst, figures, now)
    worse_s = 0.0 if seen.worse_s is None else seen.worse_s + passed
    if worse_s >= CONFIRM_S:
        return _to(seen, worst, figures, now)
    waiting = replace(seen, worse_s=worse_s, calm_s=0.0, blind_s=0.0)
    if seen.stance == "hold":
        return waiting, None
    # Until a second sample says so, too, nothing new starts: that costs little if it was astray.
    said = f"{worst.said.partition(':')[0]}: nothing new starts, a second reading is waited for."
    changed, decision = _to(waiting, Finding(worst.rule, "hold", said), figures, now)
    return replace(changed, worse_s=worse_s), decision


def _same(
    seen: HostPolicy, worst: Finding, figures: tuple[Figure, ...], passed: float, now: float
) -> tuple[HostPolicy, Decision | None]:
    """Stay; of a pause for memory ask for one job more when one was not enough."""
    stays = replace(seen, rule=worst.rule, said=worst.said, calm_s=0.0, worse_s=None)
    if seen.stance != "pause" or worst.rule != "memory":
        return stays, None
    worse_s = (seen.worse_s or 0.0) + passed
    if worse_s < AGAIN_S:
        return replace(stays, worse_s=worse_s), None
    acts: tuple[Act, ...] = ("pause_largest",)
    decision = Decision(
        seen.host, now, seen.stance, seen.stance, worst.rule, acts, worst.said, figures
    )
    return replace(stays, worse_s=0.0), decision


def _blind(
    seen: HostPolicy, before: HostPolicy, figures: tuple[Figure, ...], now: float
) -> tuple[HostPolicy, Decision | None]:
    passed = 0.0 if before.looked_at is None else now - before.looked_at
    blind_s = seen.blind_s + min(max(0.0, passed), LONGEST_STEP_S)
    kept = replace(seen, blind_s=blind_s, calm_s=0.0, worse_s=None)
    if blind_s < BLIND_S or seen.stance == "single":
        return kept, None
    said = (
        f"Nothing was heard for {span(blind_s)} of what held the jobs of {seen.host}: one heavy "
        "job may run, until its telemetry is back."
    )
    return _to(kept, Finding(seen.rule, "single", said), figures, now)


def _to(
    seen: HostPolicy, finding: Finding, figures: tuple[Figure, ...], now: float
) -> tuple[HostPolicy, Decision]:
    normal = finding.stance == "open"
    said = f"{seen.host} was normal for {span(CALM_S)}: jobs start again."
    largest = finding.rule == "memory"
    changed = replace(
        seen,
        stance=finding.stance,
        since=now,
        rule="none" if normal else finding.rule,
        said="" if normal else finding.said,
        paused=finding.stance == "pause" or (seen.paused and finding.stance == "hold"),
        calm_s=0.0,
        worse_s=None,
        blind_s=0.0,
    )
    acts: list[Act] = [_POOLS[finding.stance]]
    if finding.stance == "pause":
        acts.append("pause_largest" if largest else "pause_all")
    if seen.paused and not changed.paused:
        acts.append("resume")
    return changed, Decision(
        seen.host,
        now,
        seen.stance,
        finding.stance,
        finding.rule,
        tuple(acts),
        said if normal else finding.said,
        figures,
    )


_POOLS: dict[Stance, Act] = {
    "open": "open_pools",
    "single": "shrink_pools",
    "hold": "close_pools",
    "pause": "close_pools",
}


def _rank(stance: Stance) -> int:
    return STANCES.index(stance)


def _heat(host: str, known: Mapping[str, float]) -> Finding:
    level = round(known.get("thermal_level", 0))
    stance = _BY_HEAT[min(max(level, 0), 4)]
    what = {
        "open": "",
        "single": "no second heavy job starts.",
        "hold": "no new heavy job starts.",
        "pause": "training is asked to save its state and pause.",
    }[stance]
    return Finding(
        "heat",
        stance,
        f"{host} is at thermal level {level} ({_HEAT[min(max(level, 0), 4)]}): {what}",
    )


def _memory(host: str, known: Mapping[str, float]) -> Finding:
    pressure = round(known.get("memory_pressure", 1))
    if pressure >= 4:
        said = f"{host} is short of memory (pressure 4 of 4): the largest training job is paused."
        return Finding("memory", "pause", said)
    if pressure >= 2:
        said = f"{host} is short of memory (pressure {pressure} of 4): nothing new is loaded."
        return Finding("memory", "hold", said)
    return Finding("memory", "open", "")


def _battery(host: str, known: Mapping[str, float]) -> Finding:
    if not known.get("on_battery"):
        return Finding("battery", "open", "")
    left = known.get("battery_ratio")
    charge = "" if left is None else f" with {left:.0%} left".replace("%", " %")
    if left is not None and left <= EMPTY_BATTERY:
        said = f"{host} is on battery{charge}: training is asked to save its state and pause."
        return Finding("battery", "pause", said)
    if left is not None and left <= LOW_BATTERY:
        return Finding("battery", "hold", f"{host} is on battery{charge}: no heavy job starts.")
    return Finding(
        "battery", "single", f"{host} is on battery{charge}: no second heavy job starts."
    )


_NEEDED = {"heat": "thermal_level", "memory": "memory_pressure", "battery": "on_battery"}


def _figure(reading: Reading | None, metric: str, at: float | None, missing: str) -> Figure:
    if missing:
        return Figure(metric, None, reading.source if reading else "", at, missing)
    if reading is None:
        return Figure(metric, None, "", at, "the machine was not asked for it")
    return Figure(metric, reading.value, reading.source, at, reading.reason)


def _unknown(figures: tuple[Figure, ...]) -> tuple[str, ...]:
    return tuple(
        f"{METRICS[one.metric].title} is not known: {one.reason}."
        for one in figures
        if one.value is None and one.metric in {"thermal_level", "memory_pressure"}
    )
