"""What was done about an alert, apart from what merely happened while it was open."""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, Row, select

from services.actions import schema
from services.alerting.models import Alert
from services.alerting.periods import Lived
from services.reports.models import Asked
from services.retraining.models import Proposal

_ACTIONS = schema.actions
_DEEDS = (
    "deploy", "deploy-rollback", "rollout", "scale", "undeploy", "promote", "rollback",
    "workflow-launch", "workflow-clear", "workflow-cancel", "data-checkout", "data-pull",
    "lineage-mark",
)  # fmt: skip
"""Kinds of actions that change what is in service, or what it is made of."""
_SHOWN = 4


@dataclass(frozen=True, slots=True)
class Deed:
    """One action that was carried out."""

    project: str | None
    title: str
    actor: str
    at: float
    """Seconds since 1970."""
    subject: str
    params: Mapping[str, Any]
    written: str
    """``params`` as the journal holds them."""

    def answers(self, alert: Alert) -> bool:
        """Return whether it is about the alert: its thread, its deployment, or its workflow run."""
        if alert.thread in self.written or self.subject == f"alert:{alert.id}":
            return True
        if self.project != alert.project:
            return False
        model, run = alert.labels.get("model"), alert.labels.get("workflow_run")
        if model is None and "endpoint" in alert.labels:
            model = alert.labels["endpoint"].partition(".")[2]
        mine = model is not None and self.params.get("model") == model
        return mine or (run is not None and run in self.params.values())


@dataclass(frozen=True, slots=True)
class Answers:
    """All that was done while alerts were open."""

    deeds: Sequence[Deed]
    """Oldest first."""
    retrainings: Mapping[int, Sequence[Proposal]] = field(default_factory=dict)
    """By the alert that they answer, oldest first."""

    def said(self, alert: Alert, until: float) -> str:
        """Return what was done about an alert, how it ended, and what else was done meanwhile."""
        end = until if alert.resolved_at is None else alert.resolved_at
        lasting = [one for one in self.deeds if alert.since <= one.at <= end]
        mine = [one for one in lasting if one.answers(alert)]
        others = [one for one in lasting if one not in mine and one.project == alert.project]
        trained = [retrained(one) for one in self.retrainings.get(alert.id, ())]
        ended = f"ended: {alert.resolution}" if not alert.open and alert.resolution else ""
        where = "on the platform" if alert.project is None else "in the project"
        beside = f"meanwhile {where}, not about it: {'; '.join(_told(others))}" if others else ""
        about = list(filter(None, (alert.note, *_told(mine), *trained, ended)))
        return "; ".join(filter(None, (*(about or ["nothing yet"]), beside)))


def retrained(one: Proposal) -> str:
    """Return a retraining in few words."""
    by = f", by {one.approved_by}" if one.approved_by else ""
    return f"retraining {one.id}: {one.state}{by}"


def _told(deeds: Sequence[Deed]) -> list[str]:
    more = [f"and {len(deeds) - _SHOWN:,} more actions"] if len(deeds) > _SHOWN else []
    return [f"{one.title} ({one.actor})" for one in deeds[:_SHOWN]] + more


def read(
    asked: Asked, lived: Sequence[Lived], proposals: Iterable[Proposal], until: float
) -> Answers:
    """Return what was done while one of these alerts was open.

    Raises:
        JournalError: The journal cannot be read.
    """
    if not lived:
        return Answers(())
    led: dict[int, list[Proposal]] = defaultdict(list)
    for one in sorted(proposals, key=lambda one: one.id):
        for alert in one.alerts:
            led[alert].append(one)
    mine: ColumnElement[bool] = _ACTIONS.c.project.in_(asked.projects)
    if asked.whole:
        mine = mine | _ACTIONS.c.project.is_(None)
    of = _ACTIONS.c
    query = (
        select(of.project, of.title, of.actor, of.submitted_ms, of.subject, of.params)
        .where(
            mine,
            of.kind.in_(_DEEDS),
            of.state == "done",
            of.submitted_ms >= round(min(one.alert.since for one in lived) * 1000),
            of.submitted_ms <= round(until * 1000),
        )
        .order_by(of.id)
    )
    with asked.journal.read() as connection:
        return Answers(tuple(_deed(row) for row in connection.execute(query)), led)


def _deed(row: Row[*tuple[Any, ...]]) -> Deed:
    params = json.loads(row.params)
    return Deed(
        row.project, row.title, row.actor, row.submitted_ms / 1000, row.subject, params, row.params
    )
