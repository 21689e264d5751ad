"""What monitoring made of predictions: verdicts, alerts, retrainings, and what these set off.

``Watched`` is all that lineage asks of monitoring; without it threads end at the predictions.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from services.lineage.models import Carries, Kind, Link, More, Node, Ref, numbered
from services.lineage.source import Found, Projects, of_kind, sees

JUDGED, RAISED, PROPOSED, STARTED = "were judged in", "raised", "led to", "started"
REPLACED = "was to be replaced by"


@dataclass(frozen=True, slots=True)
class Judged:
    """A verdict on the predictions of a version."""

    id: str
    project: str
    model: str
    version: int
    what: str
    """data, prediction, quality or accuracy."""
    at: float
    said: str
    """How it came out, in a few words: “drifted, high”."""


@dataclass(frozen=True, slots=True)
class Raised:
    """An alert."""

    id: str
    project: str | None
    title: str
    at: float
    said: str
    verdicts: tuple[str, ...]
    """Ids of the verdicts that it rests on."""


@dataclass(frozen=True, slots=True)
class Proposed:
    """A retraining that was proposed."""

    id: str
    project: str
    model: str
    at: float
    said: str
    alerts: tuple[str, ...]
    """Ids of the alerts that it answers."""
    workflow: tuple[str, str] | None
    """DAG and run that it started; None: none yet."""
    version: int | None = None
    """That it was proposed for; None: none was there."""


class Watched(Protocol):
    """What is asked of monitoring; each list has the newest first, and at most ``most``.

    Raises:
        MlopsError: It cannot be read.
    """

    def verdicts(
        self, project: str, model: str, version: int, most: int, /
    ) -> tuple[Sequence[Judged], int]:
        """Return the verdicts on a version, and how many there are."""

    def verdict(self, name: str, /) -> Judged | None:
        """Return one verdict."""

    def alerts(self, verdict: str, most: int, /) -> tuple[Sequence[Raised], int]:
        """Return the alerts that rest on a verdict, and how many there are."""

    def alert(self, name: str, /) -> Raised | None:
        """Return one alert."""

    def retrainings(self, alert: str, most: int, /) -> tuple[Sequence[Proposed], int]:
        """Return the retrainings that answer an alert, and how many there are."""

    def unprompted(
        self, project: str, model: str, version: int, most: int, /
    ) -> tuple[Sequence[Proposed], int]:
        """Return the retrainings of a version that answer no alert, and how many there are."""

    def retraining(self, name: str, /) -> Proposed | None:
        """Return one retraining."""

    def retraining_of(self, dag: str, run: str, /) -> Proposed | None:
        """Return the retraining that started a workflow run."""


class WatchedSource:
    """Edges of verdicts, alerts and retrainings."""

    kinds: frozenset[Kind] = frozenset(("verdict", "alert", "retraining"))

    def __init__(self, watched: Watched, projects: Projects) -> None:
        self._watched = watched
        self._projects = projects

    def up(self, refs: Sequence[Ref], most: int) -> Found:
        """Return what verdicts, alerts, retrainings and retraining workflows came from."""
        del most
        found = Found()
        for one in of_kind(refs, "verdict", "alert", "retraining", "workflow"):
            found.guarded("Monitoring", self._above, one, found)
        return found

    def _above(self, one: Ref, found: Found) -> None:
        if one.kind == "verdict":
            verdict = self._watched.verdict(one.key)
            if verdict is not None:
                where = (verdict.project, verdict.model, verdict.version)
                found.links.append(Link(numbered("predictions", *where), one, JUDGED))
        elif one.kind == "alert":
            alert = self._watched.alert(one.key)
            ids = alert.verdicts if alert else ()
            found.links += [Link(Ref("verdict", id_), one, RAISED) for id_ in ids]
        elif one.kind == "retraining":
            proposal = self._watched.retraining(one.key)
            if proposal is not None:
                found.links += _before(proposal)
        else:
            proposal = self._watched.retraining_of(*_place(one))
            if proposal is not None:
                found.links.append(Link(Ref("retraining", proposal.id), one, STARTED, "none"))

    def down(self, refs: Sequence[Ref], most: int) -> Found:
        """Return what came of predictions, verdicts, alerts and retrainings."""
        found = Found()
        for one in of_kind(refs, "version", "predictions", "verdict", "alert", "retraining"):
            found.guarded("Monitoring", self._below, one, most, found)
        return found

    def _below(self, one: Ref, most: int, found: Found) -> None:
        if one.kind == "version":
            asked, total = self._watched.unprompted(*one.numbered, most)
            self._add(one, [Ref("retraining", p.id) for p in asked], total, REPLACED, found)
        elif one.kind == "predictions":
            verdicts, total = self._watched.verdicts(*one.numbered, most)
            self._add(one, [Ref("verdict", v.id) for v in verdicts], total, JUDGED, found)
        elif one.kind == "verdict":
            alerts, total = self._watched.alerts(one.key, most)
            seen = [Ref("alert", a.id) for a in alerts if sees(self._projects, a.project)]
            found.hidden += len(alerts) - len(seen)
            self._add(one, seen, total - (len(alerts) - len(seen)), RAISED, found)
        elif one.kind == "alert":
            answers, total = self._watched.retrainings(one.key, most)
            self._add(one, [Ref("retraining", p.id) for p in answers], total, PROPOSED, found)
        else:
            proposal = self._watched.retraining(one.key)
            if proposal is not None and proposal.workflow is not None:
                workflow = Ref("workflow", "/".join(proposal.workflow))
                found.links.append(Link(one, workflow, STARTED, "none"))

    @staticmethod
    def _add(one: Ref, after: Sequence[Ref], total: int, how: str, found: Found) -> None:
        # A retraining answers what is bad: it is the cure, not a part of it.
        carries: Carries = "none" if how in {PROPOSED, REPLACED} else "all"
        found.links += [Link(one, each, how, carries) for each in after]
        left = total - len(after)
        if left > 0:
            kind = {"predictions": "verdicts", "verdict": "alerts"}
            said = f"{left:,} earlier {kind.get(one.kind, 'retrainings')} are not shown."
            found.more.append(More(one, "down", left, said))

    def describe(self, refs: Sequence[Ref]) -> dict[Ref, Node]:
        """Return what is known of verdicts, alerts and retrainings."""
        return {one: self._node(one) for one in of_kind(refs, "verdict", "alert", "retraining")}

    def _node(self, one: Ref) -> Node:
        if one.kind == "verdict":
            verdict = self._watched.verdict(one.key)
            if verdict is not None:
                title = f"{verdict.what} of {verdict.model} {verdict.version}"
                return Node(one, title, verdict.project, verdict.said, verdict.at)
        elif one.kind == "alert":
            alert = self._watched.alert(one.key)
            if alert is not None:
                return Node(one, alert.title, alert.project, alert.said, alert.at)
        else:
            proposal = self._watched.retraining(one.key)
            if proposal is not None:
                return Node(one, proposal.model, proposal.project, proposal.said, proposal.at)
        return Node(one, one.key[:12], None, f"this {one.kind} is not kept any more", None, "gone")


def _before(proposal: Proposed) -> list[Link]:
    """Return what a retraining came of: its alerts; without any the version it is to replace."""
    one = Ref("retraining", proposal.id)
    if proposal.alerts or proposal.version is None:
        return [Link(Ref("alert", id_), one, PROPOSED, "none") for id_ in proposal.alerts]
    version = numbered("version", proposal.project, proposal.model, proposal.version)
    return [Link(version, one, REPLACED, "none")]


def _place(one: Ref) -> tuple[str, str]:
    dag, _, run = one.key.partition("/")
    return dag, run
