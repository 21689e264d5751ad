"""A version on its way to be the live one: what it does next, and when it goes back.

Pure but for the clock that is handed in. A rollout is followed from the desired state alone, so a
killed engine begins it again; what it had come to is taken from the last status where its model
servers still live.
"""

from dataclasses import dataclass, field, replace
from typing import Literal, Self

from services.serving import guards
from services.serving.checks import Checked
from services.serving.drift import Found
from services.serving.figures import VersionFigures
from services.serving.guards import Watched
from services.serving.models import Before, Phase, Rollout, RolloutStatus, Strategy
from services.serving.rollout_steps import (
    CANARY,
    CHECK,
    LOAD,
    SHADOW,
    SWITCH,
    WARM,
    WATCH,
    Steps,
)
from services.serving.versions import TRIES_OF_A_NEW_ONE, VersionRun
from services.serving.world import World

FOLLOWED_S = 3.0
"""The gateway follows routes within a twentieth of a second; one that does not say so is away."""

Outcome = Literal["running", "live", "rolled-back", "failed", "aborted"]


@dataclass(slots=True)
class Surroundings:
    """What a rollout sees of the rest."""

    now: float
    figures: VersionFigures
    """Of the new version."""
    live_figures: VersionFigures | None = None
    figures_known: bool = False
    """Whether the gateway writes figures at all."""
    followed: bool = True
    """Whether the gateway follows the routes as they are."""
    thermal_level: int | None = None
    drift: Found | None = None
    """How its answers differ from the live version's; None: not guarded, or not watched."""
    live_needs: int = 0
    """Model servers that the live version has."""

    @classmethod
    def of(cls, name: str, version: int, live: VersionRun | None, world: World) -> Self:
        """Return what the rollout of an endpoint's version sees in one look."""
        figures = world.figures
        apart = live is not None and live.version != version
        return cls(
            now=world.now,
            figures=figures.of(name, version) if figures else VersionFigures(version),
            live_figures=figures.of(name, live.version) if figures and live and apart else None,
            figures_known=figures is not None,
            followed=figures is not None and figures.serial >= world.serial,
            thermal_level=world.thermal_level,
            drift=world.drift.get(name),
            live_needs=len(live.active) if live else 0,
        )


@dataclass(slots=True)
class RolloutRun:
    """One rollout as it is followed."""

    rollout: Rollout
    run: VersionRun
    replaces: bool
    """Whether a version is live; without one there is nothing to compare with or to go back to."""
    began_at: float
    phase: Phase = "waiting"
    outcome: Outcome = "running"
    said: str = ""
    since: float = 0.0
    """When the phase began."""
    checks: dict[str, Checked] = field(default_factory=dict)
    """By model server."""
    steps: Steps = field(init=False)
    ended_at: float | None = None
    told: bool = False
    """Whether the journal knows how it ended."""
    before: Before = field(default_factory=Before)

    def __post_init__(self) -> None:
        """Lay out the steps; the first version of an endpoint has nobody to stand beside."""
        self.steps = Steps(self.strategy)
        self.since = self.since or self.began_at

    @property
    def strategy(self) -> Strategy:
        """How it goes."""
        return self.rollout.strategy if self.replaces else "blue-green"

    @property
    def version(self) -> int:
        """The version on its way."""
        return self.run.version

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self.outcome == "running"

    @property
    def under_way(self) -> bool:
        """Whether it runs, or is live and the journal does not know: up to then it may be ended."""
        return self.running or (self.outcome == "live" and not self.told)

    # What requests it gets

    @property
    def share(self) -> float:
        """Of the requests that name no version."""
        if not self.run.ready:
            return 0.0
        if self.phase in {"switching", "watching", "live"}:
            return 1.0
        if self.phase == "canary" and not self.rollout.header:
            return min(1.0, max(0.0, self.rollout.share))
        return 0.0

    @property
    def routed(self) -> bool:
        """Whether the gateway may know it."""
        return self.phase in {"canary", "shadow", "switching", "watching", "live"}

    @property
    def shadow(self) -> bool:
        """Whether it is asked beside the live one."""
        return self.phase == "shadow"

    # Its way

    def turn(self, around: Surroundings) -> None:
        """Go on as far as it can now."""
        if not self.running:
            return
        if fault := self._fault(around):
            self.back(fault, around.now)
            return
        step = {
            "waiting": self._load,
            "loading": self._load,
            "warming": self._load,
            "checking": self._check,
            "canary": self._beside,
            "shadow": self._beside,
            "switching": self._switch,
            "watching": self._watch,
        }.get(self.phase)
        if step is not None:
            step(around)

    def back(self, said: str, now: float, outcome: Outcome | None = None) -> None:
        """End it not well: the live version goes on, this one goes."""
        self.outcome = outcome or ("rolled-back" if self.replaces else "failed")
        self.steps.fail(said, now)
        self._to("rolled-back" if self.replaces else "failed", now)
        self.said, self.ended_at = said, now

    def _fault(self, around: Surroundings) -> str:
        run = self.run
        if run.refused:
            return run.refused
        if run.ended_often >= TRIES_OF_A_NEW_ONE:
            return run.fault or "Its model servers end again and again."
        bad = next((one for one in self.checks.values() if not one.well), None)
        if bad is not None:
            return bad.said
        if self.phase in {"canary", "shadow", "watching"} and around.figures_known:
            return guards.speak(self.rollout.guards, self._watched(around))
        return ""

    def _watched(self, around: Surroundings) -> Watched:
        live = around.live_figures
        beside = self.phase in {"canary", "shadow"}
        return Watched(
            figures=around.figures,
            total_before=self.before.total,
            errors_before=self.before.errors,
            live_p95_ms=(live.p95_ms if live else None) if beside else self.before.live_p95_ms,
            peak_bytes=self.run.peak_bytes,
            reserved_bytes=self.run.target.memory_bytes,
            thermal_level=around.thermal_level,
            thermal_before=self.before.thermal_level,
            drift=around.drift,
        )

    def _load(self, around: Surroundings) -> None:
        run, now = self.run, around.now
        if self._all_ready(around):
            seen = run.ready[0].seen
            load = f"Loaded in {seen.load_s:.1f} s." if seen and seen.load_s is not None else ""
            warm = f"Warm in {seen.warm_s:.1f} s." if seen and seen.warm_s is not None else ""
            self.steps.end(LOAD, load, now)
            self.steps.end(WARM, warm, now)
            self._to("checking", now)
            self.steps.begin(CHECK, "Its example is asked.", now)
            return
        phase = run.phase()
        phase = phase if phase in {"waiting", "loading", "warming"} else "loading"
        if phase != self.phase:
            self._to(phase, now)
        said = run.said()
        self.said = said
        name, plain = (WARM, "It warms up.") if phase == "warming" else (LOAD, "It loads.")
        self.steps.begin(name, said or plain, now)

    def _all_ready(self, around: Surroundings) -> bool:
        needed = max(1, self.run.target.min_replicas, min(around.live_needs, self.run.wanted))
        return len(self.run.ready) >= needed

    def _check(self, around: Surroundings) -> None:
        if not self.run.ready:  # it ended meanwhile, and comes again
            self._to("loading", around.now)
            return
        waits = [one for one in self.run.ready if one.spec.id not in self.checks]
        if waits:
            return
        self.steps.end(CHECK, next(iter(self.checks.values())).said, around.now)
        self._remember(around)
        if self.strategy == "blue-green" or self.rollout.promote:
            self._begin_switch(around.now)
            return
        self._to("canary" if self.strategy == "canary" else "shadow", around.now)
        self.steps.begin(self._beside_step(), self.beside_said(), around.now)

    def _beside_step(self) -> str:
        return CANARY if self.strategy == "canary" else SHADOW

    def beside_said(self) -> str:
        """Return what it does beside the live version, as a sentence."""
        if self.strategy == "shadow":
            return "It is asked beside the live version; its answers are only compared."
        if self.rollout.header:
            return "It answers those requests that ask for it."
        return f"It answers {self.rollout.share * 100:.3g} % of the requests."

    def _remember(self, around: Surroundings) -> None:
        """Note how things are before it takes requests."""
        self.before = replace(self.before, thermal_level=around.thermal_level)
        self._remember_totals(around)
        self._remember_live(around)

    def _remember_live(self, around: Surroundings) -> None:
        live = around.live_figures
        if live is not None and live.p95_ms is not None:
            self.before = replace(self.before, live_p95_ms=live.p95_ms)

    def _beside(self, around: Surroundings) -> None:
        """Stay beside the live version until a person says more."""
        if self.rollout.promote:
            self._remember_live(around)
            self.steps.end(self._beside_step(), "It was promoted.", around.now)
            self._begin_switch(around.now)
            return
        said = self.beside_said() + self._so_far(around) + _compared(around)
        self.steps.begin(self._beside_step(), said, around.now)

    def _so_far(self, around: Surroundings) -> str:
        if self.strategy != "shadow" or not around.figures.compared:
            return ""
        one = around.figures
        return f" {one.differing} of {one.compared} answers differ."

    def _begin_switch(self, now: float) -> None:
        self._to("switching", now)
        self.steps.begin(SWITCH, "All requests go to it from now on.", now)

    def _switch(self, around: Surroundings) -> None:
        if not around.followed and around.now - self.since < FOLLOWED_S:
            return
        took = (around.now - self.since) * 1000
        said = f"Done in {took:.0f} ms." if around.followed else "No gateway follows it yet."
        self.steps.end(SWITCH, said, around.now)
        self._remember_totals(around)
        self._to("watching", around.now)
        self.steps.begin(WATCH, f"For {self.rollout.watch_s:.0f} s.", around.now)

    def _remember_totals(self, around: Surroundings) -> None:
        self.before = replace(
            self.before, total=around.figures.total, errors=around.figures.total_errors
        )

    def _watch(self, around: Surroundings) -> None:
        if not self.run.ready:
            # A loss heals by itself; only who cannot be brought back is taken back (_fault).
            return
        if around.now - self.since < self.rollout.watch_s:
            said = f"For {self.rollout.watch_s:.0f} s.{_compared(around)}"
            self.steps.begin(WATCH, said, around.now)
            return
        total, errors = guards.counted(self._watched(around))
        asked = f"{total} requests, {errors} of them failed" if total else "nobody asked it"
        self.steps.end(WATCH, f"No guard spoke; {asked}.{_compared(around)}", around.now)
        self.outcome, self.ended_at = "live", around.now
        self._to("live", around.now)
        self.said = self._live_said(asked)

    def _live_said(self, asked: str) -> str:
        """Return what history and the outcome of the action tell of it: figures in one sentence."""
        seen = self.run.ready[0].seen
        loaded = f"loaded in {seen.load_s:.1f} s" if seen and seen.load_s is not None else ""
        watched = f"{asked} in the {self.rollout.watch_s:.0f} s it was watched"
        parts = [part for part in (loaded, watched if self.rollout.watch_s else "") if part]
        return f"It is live: {'; '.join(parts)}." if parts else "It is live."

    def _to(self, phase: Phase, now: float) -> None:
        self.phase, self.since = phase, now

    # For people, and across lives of the engine

    def status(self) -> RolloutStatus:
        """Return it for people."""
        return RolloutStatus(
            version=self.version,
            strategy=self.strategy,
            action_id=self.rollout.action_id,
            outcome=self.outcome,
            said=self.said,
            steps=tuple(self.steps.steps),
            began_at=self.began_at,
            ended_at=self.ended_at,
            before=self.before,
        )

    def resume(self, before: RolloutStatus, phase: Phase, since: float) -> None:
        """Go on where an earlier life of the engine was; its model servers live."""
        same = before.version == self.version and before.action_id == self.rollout.action_id
        if same and before.outcome == "running" and phase in {"canary", "shadow", "watching"}:
            self.steps.restore(before.steps)
            self.phase, self.since, self.began_at = phase, since, before.began_at
            self.before = before.before


def _compared(around: Surroundings) -> str:
    return f" {around.drift.said}" if around.drift is not None else ""
