"""Check an endpoint for drift now, and say which baseline its checks compare with."""

import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

from services.actions import serving
from services.actions.action import Context, Deed, NotYetError, Step
from services.actions.roles import Actor, Role
from services.errors import ConflictError, InputError, MlopsError
from services.home import Home
from services.monitoring import baselines, told
from services.monitoring.baselines import Chosen
from services.monitoring.models import Baseline
from services.monitoring.told import Told

_WAIT_S = 900.0
"""So long it waits for the hourly round."""
_KINDS = ("data", "prediction", "quality", "accuracy")


@dataclass(frozen=True, slots=True)
class CheckDrift:
    """Compare what an endpoint is asked and answers with its baseline, in a process of its own."""

    kind: ClassVar[str] = "drift-check"
    role: ClassVar[Role] = "operator"

    project: str
    model: str
    report: bool = False
    """Have Evidently write its full report, too; else where it is worth its seconds."""

    @property
    def title(self) -> str:
        """What it does."""
        return f"Check {self.model[:120]} for drift"

    @property
    def subject(self) -> str:
        """The endpoint's checks."""
        return _subject(self.project, self.model)

    def check(self, context: Context, actor: Actor) -> None:
        """Refuse what takes no requests."""
        del actor
        now = serving.deployed(context, self.project, self.model)
        if now.live is None:
            raise ConflictError(
                f"{now.name} takes no requests yet: its first version is on its way.",
                f"`mlops deployments {self.project}/{self.model}` says how far it is.",
            )

    def consequences(self, context: Context) -> tuple[str, ...]:
        """Return what will be different."""
        wanted = baselines.baseline_of(context.journal, self.project, self.model)
        report = "Evidently's full report is written, which takes some ten seconds and 300 MB."
        return (
            "The predictions since the last check, at least the newest 2,000, are compared with "
            f"{baselines.said(wanted)}.",
            *((report,) if self.report else ()),
            "Its verdicts begin and end alerts, as those of the hourly checks do.",
        )

    def steps(self, context: Context, deed: Deed) -> tuple[Step, ...]:
        """Return the steps. The check is another process, and is found again after a crash."""
        del context
        token = str(deed.memory.setdefault("token", f"{deed.id}-{secrets.token_hex(4)}"))
        home = Home.locate()
        return (
            Step("Compare", partial(self._compare, home, token, deed), partial(_end, home, token)),
        )

    def _compare(self, home: Home, token: str, deed: Deed) -> str:
        now = told.read(home, token) or self._begin(home, token)
        if not now.done and not now.alive:
            now = told.read(home, token) or now  # it may have told its end between the two looks
            if not now.done:
                raise _ended(home, token)
        if now.done:
            return self._came(home, token, deed, now)
        if now.hangs:
            raise MlopsError(
                f"The check did not end within {told.LONGEST_S / 60:.0f} minutes, and was ended.",
                "A disk that answers slowly, or a machine without memory, makes it so.",
            )
        raise NotYetError(now.said)

    def _begin(self, home: Home, token: str) -> Told:
        name = serving.name_of(self.project, self.model)
        return told.begin(home, token, [name], report=self.report, wait_s=_WAIT_S)

    def _came(self, home: Home, token: str, deed: Deed, now: Told) -> str:
        told.forget(home, token)
        failed = [one for one in now.lines if one.get("error")]
        if now.error or failed:
            first: Mapping[str, Any] = failed[0] if failed else {}
            raise MlopsError(
                now.error or str(first["error"]), now.hint or str(first.get("hint") or "")
            )
        deed.memory["verdicts"] = {
            f"{one['version']}/{one['kind']}": one["id"] for one in now.lines
        }
        faults = {str(one["fault"]): None for one in now.lines if one.get("fault")}
        return "; ".join([_said(now.lines), *faults])

    def outcome(self, context: Context, deed: Deed, said: Sequence[str]) -> str:
        """Return what it found."""
        del context, deed
        return "; ".join(filter(None, said))


@dataclass(frozen=True, slots=True)
class SetBaseline:
    """Say what an endpoint's checks compare with, from the next one on."""

    kind: ClassVar[str] = "baseline-set"
    role: ClassVar[Role] = "operator"

    project: str
    model: str
    baseline: str
    """``auto``, ``evaluation``, ``first``, ``season`` or ``window``."""
    weeks: int = 4
    """Of ``season``: how many weeks back."""
    since: float | None = None
    """Of ``window``, as ``until``: seconds since 1970."""
    until: float | None = None
    zone: str = "UTC"
    """Of ``season``: the time zone whose hours are the same."""

    @property
    def wanted(self) -> Baseline:
        """The baseline."""
        return Baseline(self.baseline, self.since, self.until, self.weeks, self.zone)  # type: ignore[arg-type]  # checked

    @property
    def title(self) -> str:
        """What it does."""
        known = self.baseline if self.baseline in baselines.KINDS else "…"
        return f"Compare {self.model[:120]} with the baseline {known}"

    @property
    def subject(self) -> str:
        """The endpoint's checks."""
        return _subject(self.project, self.model)

    def check(self, context: Context, actor: Actor) -> None:
        """Refuse what is no baseline, and a model that is not deployed."""
        del actor
        serving.deployed(context, self.project, self.model)
        baselines.check(self.wanted)
        if self.baseline != "season" and self.weeks != Baseline().weeks:
            raise InputError("Weeks go with the baseline season alone.")

    def consequences(self, context: Context) -> tuple[str, ...]:
        """Return what will be different."""
        baselines.check(self.wanted)
        before = baselines.baseline_of(context.journal, self.project, self.model)
        return (
            f"From the next check on it is compared with {baselines.said(self.wanted)}; until now "
            f"it was with {baselines.said(before)}.",
            "Verdicts that were made stay as they are. An alert ends when a check finds it as in "
            "the new baseline.",
        )

    def steps(self, context: Context, deed: Deed) -> tuple[Step, ...]:
        """Return the steps; what it was before is written down first."""
        journal = context.journal
        at = float(deed.memory.setdefault("at", time.time()))
        if "before" not in deed.memory:
            known = baselines.chosen(journal, self.project, self.model)
            deed.memory["before"] = known and [
                known.baseline.as_json(), known.by, known.at, known.action_id
            ]  # fmt: skip
        before = deed.memory["before"]

        def do() -> str:
            made = Chosen(self.wanted, deed.actor.name, at, deed.id)
            default = self.baseline == "auto"
            baselines.put(journal, self.project, self.model, None if default else made)
            return f"it is compared with {baselines.said(self.wanted)}"

        def undo() -> None:
            old = before and Chosen(Baseline.from_json(before[0]), *before[1:])
            baselines.put(journal, self.project, self.model, old or None)

        return (Step("Keep the baseline", do, undo),)


def _subject(project: str, model: str) -> str:
    return f"drift:{serving.name_of(project, model)}"


def _end(home: Home, token: str) -> None:
    now = told.read(home, token)
    if now is not None:
        now.end()
        told.forget(home, token)


def _ended(home: Home, token: str) -> MlopsError:
    log = told.path(home, token).with_suffix(".log")
    last = told.last_line(log)
    return MlopsError(
        f"The check ended before it was done{f': {last}' if last else ''}.",
        "It was killed, or the machine had no memory left for it. Ask for it again.",
    )


def _said(lines: Sequence[Mapping[str, Any]]) -> str:
    """Return verdicts as one sentence: what drifted as its sentences, else that nothing did."""
    drifted = [one for one in lines if one["state"] == "drifted"]
    if drifted:
        return " ".join(f"Version {one['version']}: {one['said']}" for one in drifted)
    states = {kind: [one["state"] for one in lines if one["kind"] == kind] for kind in _KINDS}
    told_of = [
        f"{kind} {', '.join(dict.fromkeys(found))}" for kind, found in states.items() if found
    ]
    return f"nothing drifted ({'; '.join(told_of)})"
