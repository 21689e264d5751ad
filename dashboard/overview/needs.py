"""What needs a person: alerts, and what the mirror and the journal know beside them.

One order for all of it, the one of ``services.alerting.inbox``. What is an alert is told once: as
the alert, in whatever state people put it.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from dashboard.experiments.units import figure
from dashboard.numbers import counted
from dashboard.registry.standing import candidates, champion_now, rules_of, value_of
from dashboard.text import beyond
from services.actions.records import ActionRecord
from services.actions.retraining import AcceptRetraining
from services.actions.roles import Actor, at_least, sees
from services.alerting import inbox
from services.alerting.models import Alert, Severity, key_of
from services.alerting.rules import retraining as retrainings
from services.mirror.models import (
    Freshness,
    ModelVersion,
    ProjectSummary,
    RegisteredModel,
    Run,
)
from services.retraining import wording
from services.retraining.models import Proposal
from services.serving.looking import Deployment

_BAD_ENDS = ("failed", "compensated")
_WHY = 300


@dataclass(frozen=True, slots=True)
class Need:
    """One thing to look at, with where to go for it."""

    severity: Severity
    state: str
    """How it is drawn: a state ``components.status`` knows."""
    subject: str
    sentence: str
    at: datetime | None
    """Since when; None when nobody knows."""
    page: str
    label: str
    params: Mapping[str, str] = field(default_factory=dict)
    same_as: str = ""
    """The key of the alert that tells the same, or with ``/`` at its end the beginning of keys."""
    waits: str = "firing"
    """The state of the alert that it is; all else waits as what nobody looks after."""
    number: int = 0
    """Of the alert that it is."""


def urgency(need: Need) -> tuple[int, int, float, int]:
    """Return where it stands in the order of all that needs somebody; without a time it is old."""
    at = need.at.timestamp() if need.at else 0.0
    return inbox.urgency(need.waits, need.severity, at, need.number)


def ordered(needs: Iterable[Need]) -> tuple[Need, ...]:
    """Return needs in the order of the inbox: the worst first, of those the newest."""
    return tuple(sorted(needs, key=urgency))


def untold(needs: Iterable[Need], keys: Iterable[str]) -> tuple[Need, ...]:
    """Return the needs that none of the open alerts tells."""
    known = set()
    for key in keys:
        known |= {key, "/".join(key.split("/")[:2]) + "/"}
    return tuple(need for need in needs if need.same_as not in known)


def of_alerts(alerts: Iterable[Alert], who: Actor) -> tuple[Need, ...]:
    """Return alerts as needs; one of a decision leads to where it is made, for who may make it."""
    approver = at_least(who, AcceptRetraining.role)
    return tuple(
        _of_alert(one, decide=approver and retrainings.waits_for(one, who.name)) for one in alerts
    )


def _of_alert(one: Alert, *, decide: bool) -> Need:
    page, label, params = "alerts", "Look", {"alert": str(one.id)}
    if decide:
        page, label, params = "monitoring", "Decide", {"retraining": one.labels["retraining"]}
    return Need(
        one.severity,
        one.severity if one.state == "firing" else one.state,
        one.title or one.key,
        _said(one),
        datetime.fromtimestamp(one.since, UTC),
        page,
        label,
        params,
        waits=one.state,
        number=one.id,
    )


def _said(alert: Alert) -> str:
    if alert.state == "unknown":
        return f"{alert.unknown_because} Before: {alert.said}"
    cause = f" Likely cause: {alert.cause}" if alert.cause else ""
    if alert.state == "acknowledged":
        return f"{alert.owner} looks after it. {alert.said}"
    return f"{beyond(alert.title, alert.said)}{cause}".strip()


def foremost(
    needs: Sequence[Need], most: int, each: int = 2
) -> tuple[tuple[Need, ...], tuple[Need, ...]]:
    """Return what is shown first, and the rest; many of one kind do not hide the other kinds.

    What is critical is never behind anything else.
    """
    seen: Counter[str] = Counter()
    first: list[Need] = []
    later: list[Need] = []
    for need in needs:
        seen[need.state] += 1
        pressing = need.severity == "critical" and need.waits == "firing"
        (first if pressing or seen[need.state] <= each else later).append(need)
    chosen = {id(need) for need in (first + later)[:most]}
    return (
        tuple(need for need in needs if id(need) in chosen),
        tuple(need for need in needs if id(need) not in chosen),
    )


def of_engines(engines: Iterable[Freshness]) -> tuple[Need, ...]:
    """Return engines that cannot be asked."""
    return tuple(
        Need(
            # While nobody watches, nobody would say that anything else is down.
            "critical" if engine.engine == "controller" else "warning",
            engine.state,
            engine.title,
            f"{engine.reason or 'It has not come up yet.'} {engine.hint}".strip(),
            engine.since,
            "activity",
            "Activity",
            same_as=key_of("engine", engine.engine),
        )
        for engine in engines
        if engine.state != "live"
    )


def of_projects(
    projects: Iterable[ProjectSummary], since: Mapping[str, datetime]
) -> tuple[Need, ...]:
    """Return projects that are not connected, with the reason; ``since`` when that was seen."""
    return tuple(
        Need(
            "info" if project.state == "connecting" else "warning",
            project.state,
            project.title,
            project.reasons[0] if project.reasons else _STATE_WORDS[project.state],
            since.get(project.id),
            "project",
            "Mend",
            {"id": project.id},
        )
        for project in projects
        if project.state != "connected"
    )


_STATE_WORDS: Mapping[str, str] = {
    "connecting": "It is being connected: workspace, experiment and environment.",
    "broken": "It cannot be connected.",
    "missing": "Its folder is gone; its runs and models are kept.",
}


@dataclass(frozen=True, slots=True)
class BadRuns:
    """The failed, or the lost, runs of one project: how many, and the newest of them."""

    project: str
    status: str
    total: int
    newest: Run


def of_runs(found: Iterable[BadRuns], titles: Mapping[str, str]) -> tuple[Need, ...]:
    """Return failed and lost runs: one line a project and state, however many there are."""
    return tuple(_of_runs(bad, titles.get(bad.project, bad.project)) for bad in found)


def _of_runs(bad: BadRuns, subject: str) -> Need:
    newest = bad.newest
    name = newest.name or newest.run_id[:8]
    at = newest.ended_at or newest.started_at
    same = f"{key_of('run', bad.project)}/"
    if bad.total == 1:
        why = f": {newest.status_reason}" if newest.status_reason else "."
        sentence = f"Run {name} {'failed' if bad.status == 'failed' else 'is lost'}{why}"
        return Need(
            "warning",
            bad.status,
            subject,
            sentence,
            at,
            "run",
            "Look",
            {"run": newest.run_id},
            same,
        )
    sentence = f"{counted(bad.total, 'run')} {bad.status}, the newest {name}."
    params = {"project": bad.project, "q": f"status = {bad.status}"}
    return Need("warning", bad.status, subject, sentence, at, "experiments", "Look", params, same)


def of_models(
    models: Iterable[RegisteredModel],
    projects: Mapping[str, ProjectSummary],
    was_champion: Callable[[RegisteredModel], frozenset[int]],
    *,
    approver: bool,
) -> tuple[Need, ...]:
    """Return models with a version that passes the gates and beats the champion.

    A version that was champion once and is no more was taken back: it does not wait again.
    """
    found = []
    for model in models:
        project = projects.get(model.project)
        if project is None or not (better := candidates(model, rules_of(project))):
            continue
        past = was_champion(model)
        waiting = next((v for v in better if v.version not in past), None)
        if waiting is not None:
            found.append(_of_candidate(model, waiting, project, approver=approver))
    return tuple(found)


def _of_candidate(
    model: RegisteredModel, version: ModelVersion, project: ProjectSummary, *, approver: bool
) -> Need:
    metric = project.primary_metric or ""
    champion = champion_now(model)
    value, before = value_of(version, metric), value_of(champion, metric)
    told = "" if value is None else f" with {metric} {figure(metric, value)}"
    beats = "would be its first champion"
    if champion is not None:
        than = "" if before is None else f" ({figure(metric, before)})"
        beats = f"beats champion version {champion.version}{than}"
    passes = "passes all gates and " if project.gates else ""
    return Need(
        "info",
        "waiting",
        model.name,
        f"Version {version.version}{told} {passes}{beats}.",
        version.created_at,
        "model",
        "Decide" if approver else "Look",
        {"of": model.project, "model": model.name, "version": str(version.version)},
    )


def of_proposals(found: Iterable[Proposal], who: Actor) -> tuple[Need, ...]:
    """Return retrainings that wait for a decision, for who may make it: nobody accepts their own.

    Their severity is that of a thing to do: the alerts that they answer tell of the trouble.
    """
    role = AcceptRetraining.role
    return tuple(
        _of_proposal(one)
        for one in found
        if one.state == "open"
        and at_least(who, role)
        and sees(who, one.project)
        and who.name not in one.asked_by
    )


def _of_proposal(one: Proposal) -> Need:
    why = " ".join(one.why.split())
    why = why if len(why) <= _WHY else f"{why[: _WHY - 1]}…"
    why = why if why.endswith((".", "!", "?", "…")) else f"{why}."
    _, cost, _ = wording.costs(one)
    return Need(
        retrainings.severity(one),
        "waiting",
        f"Retraining of {one.model}",
        f"Waits for an approver: {why} {cost}",
        datetime.fromtimestamp(one.created_at, UTC),
        "monitoring",
        "Decide",
        {"retraining": str(one.id)},
        same_as=retrainings.waits_key(one),
    )


def of_deployments(
    found: Iterable[Deployment], told: Collection[int], since: datetime
) -> tuple[Need, ...]:
    """Return endpoints that do not answer, and rollouts taken back since then.

    ``told`` are the actions that are needs of their own: their rollouts are not told twice.
    """
    return tuple(
        need
        for one in found
        for need in (_not_answering(one), _taken_back(one, told, since))
        if need
    )


def _not_answering(one: Deployment) -> Need | None:
    live = one.live
    gone = live is not None and not live.ready and live.phase in {"live", "watching"}
    if one.stale or not (gone or one.state == "failed"):
        return None
    said = one.said or "None of its replicas answers."
    return _of_deployment("critical", "failed", one, said, one.last_change, f"endpoint/{one.name}")


def _taken_back(one: Deployment, told: Collection[int], since: datetime) -> Need | None:
    last = one.rollout
    if last is None or last.outcome not in {"failed", "rolled-back"} or last.action_id in told:
        return None
    if last.ended_at is None or last.ended_at < since:
        return None
    said = f"Version {last.version} was taken back: {last.said}"
    return _of_deployment("warning", "rolled back", one, said, last.ended_at)


def _of_deployment(
    severity: Severity, state: str, one: Deployment, said: str, at: datetime | None, same: str = ""
) -> Need:
    params = {"deployment": one.name}
    return Need(severity, state, one.model, said, at, "deployments", "Look", params, same)


def of_actions(records: Iterable[ActionRecord]) -> tuple[Need, ...]:
    """Return actions that failed, unless the same was done since. Newest first, as asked."""
    done: set[tuple[str, str]] = set()
    found = []
    for record in records:
        what = (record.kind, record.title)
        if record.state == "done":
            done.add(what)
        elif record.state in _BAD_ENDS and what not in done:
            done.add(what)
            found.append(
                Need(
                    "warning",
                    record.state,
                    record.title,
                    record.error or "It did not say why.",
                    record.finished_at or record.submitted_at,
                    "activity",
                    "Look",
                )
            )
    return tuple(found)
