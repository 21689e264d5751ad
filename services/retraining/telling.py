"""Who is told that a retraining brought a new version: a message, for it is no trouble.

What waits for a person and what ended badly are alerts (``services.alerting.rules.retraining``);
whoever is told of these is told of this.
"""

from sqlalchemy import Connection

from services import postgres
from services.alerting import outbox, store
from services.alerting.models import Channel, Severity, key_of
from services.retraining import wording
from services.retraining.models import BY_POLICY, Proposal

KIND = "retraining"
_LEAST: Severity = "warning"
"""As severe as an alert that a retraining waits for a person."""
_TITLE_LIMIT = 160


def promoted(connection: Connection, one: Proposal, now: float, base: str) -> int:
    """Write the messages within the transaction that notes the end; return how many.

    A silence of ``retraining/PROJECT/MODEL/*`` keeps them quiet.

    Args:
        connection: Of the transaction.
        one: As it is now.
        now: Seconds since 1970.
        base: The address of the dashboard, without an end slash; empty: not known.
    """
    key = key_of(KIND, one.project, one.model, "promoted", str(one.id))
    if any(each.covers(key, one.project) for each in store.silences_in(connection, now)):
        return 0
    names = [each.name for each in outbox.channels_of(connection) if _wants(each, one)]
    title, body = words(one, base)
    return outbox.announce(connection, names, title, body, now, group=key, what="retraining")


def _wants(channel: Channel, one: Proposal) -> bool:
    return channel.wants(_LEAST, one.project, KIND) and not channel.escalation


def words(one: Proposal, base: str) -> tuple[str, str]:
    """Return title and text of the message."""
    by = "the policy" if one.approved_by == BY_POLICY else one.approved_by or "somebody"
    before = f" in place of version {one.version}" if one.version is not None else ""
    spent = wording.spent(one)
    lines = (
        one.said,
        f"Retraining {one.id}, accepted by {by}, made version {one.candidate}{before}.",
        f"Why: {' '.join(one.why.split())}",
        f"Data: {one.data.said}",
        f"It took {spent}." if spent else "",
        f"The metric that counts changed by {one.change:+.4g}, each version by its own evaluation."
        if one.change is not None else "",
        f"{base}{wording.link(one)}" if base else "",
        f"Retraining {one.id}: `mlops retrain show {one.id}`",
    )  # fmt: skip
    title = f"{one.model} was retrained: version {one.candidate} [{one.project}]"
    # What cannot be written must not keep the end of a retraining from being noted.
    return _plain(title)[:_TITLE_LIMIT], "\n".join(_plain(line) for line in lines if line)


def _plain(text: str) -> str:
    return " ".join(postgres.storable(text).split())
