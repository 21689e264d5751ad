"""Say how strictly checks judge a deployment, and which of its inputs they leave out."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from services.actions.action import Context, Deed, Step
from services.actions.roles import Actor, Role
from services.monitoring import settings
from services.monitoring.models import Settings
from services.monitoring.settings import Said


@dataclass(frozen=True, slots=True)
class SetDriftSettings:
    """Set how a model, or all models of a project that have nothing of their own, are judged."""

    kind: ClassVar[str] = "drift-settings"
    role: ClassVar[Role] = "operator"

    project: str
    model: str = ""
    """Empty: all of the project."""
    ignored: Sequence[str] = ()
    """Inputs that are not compared, as ``input.NAME``."""
    threshold: float = Settings().threshold
    alarms_a_day: float = Settings().alarms_a_day
    reason: str = ""
    reset: bool = False
    """Take back what was said; the rest is not looked at then."""

    @property
    def wanted(self) -> Settings:
        """The settings."""
        return Settings(tuple(self.ignored), self.threshold, self.alarms_a_day)

    @property
    def title(self) -> str:
        """What it does."""
        return f"Set how strictly {(self.model or self.project)[:120]} is judged"

    @property
    def subject(self) -> str:
        """The checks."""
        return f"drift:{self.project}.{self.model}" if self.model else f"drift:{self.project}"

    def check(self, context: Context, actor: Actor) -> None:
        """Refuse an unknown project or model, and settings that cannot be."""
        del actor
        context.mirror.project(self.project)
        if self.model:
            context.mirror.model(self.project, self.model)
        if not self.reset:
            settings.check(self.wanted)

    def consequences(self, context: Context) -> tuple[str, ...]:
        """Return what will be different."""
        known = settings.all_said(context.journal)
        now = settings.of(known, self.project, self.model)
        rest = {name: one for name, one in known.items() if name != (self.project, self.model)}
        after = settings.of(rest, self.project, self.model) if self.reset else self.wanted
        told = [
            f"From the next check on: {settings.said(after)} Until now: {settings.said(now)}",
            "Verdicts that were made stay as they are.",
        ]
        fewer = sorted(set(after.ignored) - set(now.ignored))
        if fewer:
            told.append(f"Nobody is told any more when {', '.join(fewer)} drifts.")
        return tuple(told)

    def steps(self, context: Context, deed: Deed) -> tuple[Step, ...]:
        """Return the steps; what it was before is written down first."""
        journal, name = context.journal, (self.project, self.model)
        at = float(deed.memory.setdefault("at", time.time()))
        if "before" not in deed.memory:
            found = settings.all_said(journal).get(name)
            deed.memory["before"] = found and [found.settings.as_json(), found.by, found.at]
        before = deed.memory["before"]

        def do() -> str:
            made = None if self.reset else Said(self.wanted, deed.actor.name, at)
            settings.put(journal, *name, made)
            return settings.said(settings.of(settings.all_said(journal), *name))

        def undo() -> None:
            old = before and Said(Settings.from_json(before[0]), *before[1:])
            settings.put(journal, *name, old or None)

        return (Step("Keep the settings", do, undo),)
