"""What a webhook is sent: JSON of a documented shape, signed with the secret of its channel.

docs/alerts.md tells programs what it holds and how they verify it.
"""

import hashlib
import hmac
import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

from services.actions.journal import Journal
from services.alerting import asking, channels
from services.alerting.evidence import placed
from services.alerting.models import WHY, Alert, Channel, Message, Post
from services.home import Home

_VERSION = 1
_LISTED = 1000
"""Alerts that one body tells of: a megabyte or two."""
_EVIDENCE = 5
"""Pieces of it, the first ones."""


def posted(
    journal: Journal, home: Home, channel: Channel, message: Message, now: float, base: str = ""
) -> Message:
    """Return a message as its channel gets it: with a signed body where the channel has a secret.

    Args:
        journal: Where its alerts lie; they are told as they are now.
        home: Where the secret lies.
        channel: Where it goes to.
        message: What.
        now: Seconds since 1970: when it is signed.
        base: The address of the dashboard, without an end slash; empty: not known.

    Raises:
        JournalError: The journal cannot be read.
        PlatformError: The secret cannot be read.
    """
    secret = channels.secret(home, channel)
    if not secret:
        return message
    wanted = message.alerts[:_LISTED]
    found = asking.by_id(journal, wanted)
    body = _body(message, [found[one] for one in wanted if one in found], base)
    at = str(int(now))
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "mlops",
        "Idempotency-Key": f"{channel.name}-{message.id}-{round(message.created_at * 1000)}",
        "X-Mlops-Signature": f"t={at},v1={_signature(secret, at, body)}",
    }
    return replace(message, post=Post(body, headers))


def _signature(secret: str, at: str, body: str) -> str:
    return hmac.new(secret.encode(), f"{at}.{body}".encode(), hashlib.sha256).hexdigest()


def _body(message: Message, alerts: Sequence[Alert], base: str) -> str:
    return json.dumps(
        {
            "v": _VERSION,
            "message": message.id,
            "attempt": message.attempts,
            "what": message.what,
            "severity": message.severity,
            "title": message.title,
            "body": message.body,
            "count": len(message.alerts),
            "alerts": [_told(one, base) for one in alerts],
        }
    )


def _told(alert: Alert, base: str) -> dict[str, object]:
    since = datetime.fromtimestamp(alert.since, UTC).isoformat()
    return {
        "id": alert.id,
        "key": alert.key,
        "state": alert.state,
        "severity": alert.severity,
        "project": alert.project,
        "title": alert.title,
        "said": alert.said if alert.open else alert.resolution,
        "since": since.replace("+00:00", "Z"),
        "cause": alert.cause,
        "suggestion": alert.suggestion,
        "link": f"{base}{alert.link}" if alert.link else "",
        "evidence": [placed(one, base) for one in alert.evidence[:_EVIDENCE]],
        "why": f"{base}{why}" if (why := alert.labels.get(WHY)) else "",
        "story": f"{base}/alerts?alert={alert.id}",
        "thread": alert.thread,
    }
