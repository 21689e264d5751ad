"""A proposal is made: why, of which version, with which data, for how much, for what gain."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from services.alerting.rules.drift import REPORT
from services.errors import MlopsError, NotFoundError
from services.lineage.models import Ref
from services.mirror.models import ModelVersion, RegisteredModel
from services.projects.contract import look
from services.retraining import collecting, history, store
from services.retraining.models import BY_POLICY, Data, Evidence, Figures, Policy, Proposal
from services.serving import store as serving

if TYPE_CHECKING:
    from collections.abc import Sequence

    from services.actions.action import Context
    from services.alerting.models import Alert
    from services.data.models import Status, Version

_CHAMPION = "champion"
_SHOWN = 8
_PAST = 200


@dataclass(frozen=True, slots=True)
class Reason:
    """Who asks for it, and why."""

    project: str
    model: str
    thread: str
    requested_by: str
    evidence: tuple[Evidence, ...]
    version: int | None = None
    """None: the one in service, else the champion, else the newest."""


def of_alert(alert: "Alert") -> Reason:
    """Return the reason that an alert is: its sentence, and the columns that moved."""
    columns = tuple(one for one in alert.evidence if not one.startswith(REPORT))[:_SHOWN]
    told = Evidence(
        alert.last_at, alert.said or alert.title, alert.id, alert.severity, columns, key=alert.key
    )
    version = alert.labels.get("version", "")
    return Reason(
        str(alert.labels.get("project") or alert.project or ""),
        str(alert.labels.get("model", "")),
        alert.thread,
        BY_POLICY,
        (told,),
        int(version) if version.isdecimal() else None,
    )


def draft(context: "Context", reason: Reason, now: float) -> Proposal:
    """Return a proposal that is not written yet.

    Raises:
        NotFoundError: The project has no such model, or it no such version.
        PlatformError: The mirror or the journal cannot be read.
    """
    model = context.mirror.model(reason.project, reason.model)
    version = _version(context, model, reason.version)
    about = version.version if version else None
    found = figures(context, reason.project, reason.model, about, reason.evidence)
    first = reason.evidence[0]
    return Proposal(
        id=0, project=reason.project, model=reason.model,
        version=about,
        alert_id=first.alert, thread=reason.thread, why=first.said,
        data=found.data, minutes=found.minutes, joules=found.joules, gain=found.gain,
        again=found.again, state="open", requested_by=reason.requested_by, created_at=now,
        evidence=reason.evidence,
    )  # fmt: skip


def figures_of(
    context: "Context", one: Proposal, revision: str = "", policy: Policy | None = None
) -> Figures:
    """Return data, cost and gain of a proposal as they are now.

    Args:
        context: Where they are.
        one: The proposal.
        revision: The version of the data that a person chose for it; empty: none was.
        policy: Which rows are collected first; None: that of its project.

    Raises:
        NotFoundError: Its model is gone, or there is no such version of the data.
        PlatformError: The mirror, the journal or the data repository cannot be read.
    """
    found = figures(context, one.project, one.model, one.version, one.evidence, policy)
    if not revision:
        return found
    data = picked(context, one.project, revision, found.data)
    past = _past(context, one.project, one.model)
    return replace(found, data=data, again=history.answered(past, one.evidence, data))


def figures(
    context: "Context",
    project_id: str,
    name: str,
    number: int | None,
    evidence: "Sequence[Evidence]" = (),
    policy: Policy | None = None,
) -> Figures:
    """Return data, cost and gain of a retraining as they are now.

    Args:
        context: Where they are.
        project_id: Whose model it is.
        name: The model's.
        number: The version that it is about; None: the model has none.
        evidence: The reasons for it.
        policy: Which rows are collected first; None: that of the project.

    Raises:
        NotFoundError: The project has no such model.
        PlatformError: The mirror or the journal cannot be read.
    """
    project = context.mirror.project(project_id)
    model = context.mirror.model(project_id, name)
    about, live = _numbered(model, number), _numbered(model, _live(context, model))
    beside, whose = live or about, "the version in service"
    if live is None:
        whose = f"version {about.version}" if about else "the version before"
    past = _past(context, project_id, name)
    trainings = history.trainings(context.mirror, project_id)
    minutes, joules, _ = history.cost(trainings, about.technique if about else None)
    data = data_of(context, project_id, beside.data_revision if beside else None, whose)
    data = replace(data, bad=_bad(context, project_id, data.revision))
    policy = store.policy(context.journal, project_id) if policy is None else policy
    if policy.collects:
        data = collecting.proposed(context, (project_id, name), policy, evidence, data)
    return Figures(
        data, minutes, joules, history.gain(past, project.primary_metric, project.goal),
        history.answered(past, evidence, data),
    )  # fmt: skip


def _past(context: "Context", project: str, model: str) -> tuple[Proposal, ...]:
    return store.proposals(context.journal, projects=[project], model=model, limit=_PAST)


def _numbered(model: RegisteredModel, number: int | None) -> ModelVersion | None:
    return next((one for one in model.versions if one.version == number), None)


def _version(context: "Context", model: RegisteredModel, wanted: int | None) -> ModelVersion | None:
    number = wanted
    if number is None:
        number = _live(context, model)
    if number is None:
        holder = model.with_alias(_CHAMPION)
        return holder or max(model.versions, key=lambda one: one.version, default=None)
    found = _numbered(model, number)
    if found is None:
        raise NotFoundError(
            f"{model.name} has no version {number}.", f"`mlops models show {model.name}`"
        )
    return found


def _live(context: "Context", model: RegisteredModel) -> int | None:
    try:
        found = serving.endpoint(context.journal, f"{model.project}.{model.name}")
    except NotFoundError:
        return None
    return found.live.version if found.live else None


def data_of(context: "Context", project: str, before: str | None, whose: str) -> Data:
    """Return with which data a project would train now, beside that of a version.

    Args:
        context: Where data is.
        project: Whose.
        before: The version's data revision; None: it tells none.
        whose: Which version that is, as words.
    """
    try:
        versions = context.data.versions(project, "data")
        status = next(one for one in context.data.status(project) if one.kind == "data")
    except MlopsError as error:
        if _declares(context, project) is False:
            return _undeclared(before)
        return Data(None, before, None, f"What data there is cannot be told: {error.message}")
    return chosen(versions, status, before, whose)


def picked(context: "Context", project: str, revision: str, proposed: Data) -> Data:
    """Return a version of the data that a person chose in place of the proposed one.

    Raises:
        NotFoundError: The project has no such version of its data.
        PlatformError: The data repository cannot be read.
    """
    found = context.data.find(project, revision)
    if found.kind != "data":
        raise NotFoundError(f"{found.revision} is a version of models, none of data.")
    before = proposed.before
    said = f"Version {found.revision} of {found.at:%Y-%m-%d %H:%M} UTC, chosen by a person"
    said += f"; the version before was trained with {before}." if before else "."
    newer = None if before is None else found.revision != before
    return Data(found.revision, before, newer, said, bad=_bad(context, project, found.revision))


def _bad(context: "Context", project: str, revision: str | None) -> str:
    from services.actions import flags

    return "" if revision is None else next(
        flags.told(context, Ref("data", revision), project), ""
    )  # fmt: skip


def _declares(context: "Context", project: str) -> bool | None:
    """Return whether a project's contract names data; None: it cannot be read."""
    try:
        folder = context.mirror.project(project).path
    except MlopsError:
        return None
    contract = look(Path(folder)).contract if folder else None
    return None if contract is None else bool(contract.data)


def _undeclared(before: str | None) -> Data:
    said = "The project declares no data; its training makes its own."
    return Data(None, before, None, said, declared=False)


def chosen(
    versions: "Sequence[Version]",
    status: "Status",
    before: str | None,
    whose: str = "the version in service",
) -> Data:
    """Return the data to train with: what the folder holds beyond all versions, else the newest."""
    if not status.paths:
        return _undeclared(before)
    if status.state in {"changed", "untracked"}:
        said = "The folder holds data that no version has yet; it becomes one when it trains."
        return Data(None, before, newer=True, said=said)
    if not versions:
        return Data(None, before, None, "There is no version of its data yet.")
    newest = max(versions, key=lambda one: one.at)
    if before is None:
        said = f"Version {newest.revision}; with which {whose} was trained is not known."
        return Data(newest.revision, None, None, said)
    if newest.revision == before:
        said = (
            f"There is no newer data than version {before}, with which {whose} was trained: "
            "training again changes little."
        )
        return Data(before, before, newer=False, said=said)
    when = f"{newest.at:%Y-%m-%d %H:%M} UTC"
    said = f"Version {newest.revision} of {when}; {whose} was trained with {before}."
    return Data(newest.revision, before, newer=True, said=said)
