"""What ``mlops alerts`` says as JSON: one shape for each thing."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from services.actions.records import ActionRecord
    from services.alerting.inbox import Item
    from services.alerting.models import Alert, Message, Note, Silence
    from services.retraining.models import Proposal


def shape(one: "Alert") -> dict[str, object]:
    """Return an alert in the documented JSON shape."""
    return {
        "id": one.id,
        "severity": one.severity,
        "project": one.project,
        "title": one.title,
        "state": one.state,
        "since": at(one.since),
        "count": one.count,
        "cause": one.cause,
        "suggestion": one.suggestion,
        "key": one.key,
        "said": one.said,
        "link": one.link,
        "labels": dict(one.labels),
        "evidence": one.evidence,
        "last_at": at(one.last_at),
        "owner": one.owner,
        "note": one.note,
        "acknowledged_at": at(one.acknowledged_at),
        "acknowledged_until": at(one.acknowledged_until),
        "left_by": one.left_by,
        "left_at": at(one.left_at),
        "silence": one.silence,
        "inhibited_by": one.inhibited_by,
        "unknown_because": one.unknown_because,
        "notified_at": at(one.notified_at),
        "resolved_at": at(one.resolved_at),
        "resolution": one.resolution,
        "thread": one.thread,
    }


def silence_shape(one: "Silence", now: float) -> dict[str, object]:
    """Return a silence in the documented JSON shape."""
    return {
        "id": one.id,
        "pattern": one.pattern,
        "project": one.project,
        "owner": one.owner,
        "reason": one.reason,
        "created_at": at(one.created_at),
        "expires_at": at(one.expires_at),
        "ended_at": at(one.ended_at),
        "counts": one.lasts(now),
    }


def message_shape(one: "Message") -> dict[str, object]:
    """Return a message in the documented JSON shape."""
    return {
        "id": one.id,
        "channel": one.channel,
        "what": one.what,
        "severity": one.severity,
        "title": one.title,
        "state": one.state,
        "attempts": one.attempts,
        "created_at": at(one.created_at),
        "sent_at": at(one.sent_at),
        "error": one.error,
        "alerts": len(one.alerts),
    }


def note_shape(one: "Note") -> dict[str, object]:
    """Return a line of an alert's story in the documented JSON shape."""
    return {"at": at(one.at), "what": one.what, "said": one.said, "actor": one.actor}


def retraining_shape(one: "Proposal") -> dict[str, object]:
    """Return a retraining that an alert led to in the documented JSON shape."""
    return {
        "id": one.id,
        "project": one.project,
        "model": one.model,
        "state": one.state,
        "said": one.said,
        "decided_by": one.approved_by,
        "version": one.candidate,
        "created_at": at(one.created_at),
        "ended_at": at(one.ended_at),
    }


def action_shape(one: "ActionRecord") -> dict[str, object]:
    """Return an action that an alert led to in the documented JSON shape."""
    return {
        "id": one.id,
        "kind": one.kind,
        "title": one.title,
        "actor": one.actor,
        "state": one.state,
        "said": one.error or one.result,
        "at": one.submitted_at,
    }


def item_shape(one: "Item") -> dict[str, object]:
    """Return a thing of the inbox in the documented JSON shape."""
    return {
        "kind": one.kind,
        "id": one.id,
        "severity": one.severity,
        "state": one.state,
        "project": one.project,
        "title": one.title,
        "said": one.said,
        "since": at(one.at),
        "act": one.act,
        "link": one.link,
    }


def at(value: float | None) -> datetime | None:
    """Return a moment as JSON and tables have it."""
    return None if value is None else datetime.fromtimestamp(value, UTC)
