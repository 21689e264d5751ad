"""Retrainings: one that waits for a person, and one that ended without a new version in service.

Of a model the newest retraining counts: there is another only after one has ended. Each has keys of
its own, so that each is told; ``retraining/PROJECT/MODEL/*`` is all of a model.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from types import MappingProxyType

from services.alerting.models import Alert, Event, Severity, key_of
from services.retraining import wording
from services.retraining.models import BY_POLICY, Policy, Proposal

KIND = "retraining"
WAITS, ENDED = "waits", "ended"
BAD = frozenset({"failed", "dropped"})
RECENT_S = 86_400.0
"""What ended before that begins no alert."""
GRACE_S = 60.0
"""So long a policy has to decide before anybody is told that a person must."""
LEAST_S = 600.0
"""So long a bad end is told at least, whatever made it unimportant: people must hear of it."""
_COLUMNS = 3
_ASKED_BY = "asked by"
"""A label: who asked for it, a line each."""


def waits_key(one: Proposal) -> str:
    """Return the key of the alert that a retraining waits for a decision."""
    return key_of(KIND, one.project, one.model, WAITS, str(one.id))


def severity(one: Proposal) -> Severity:
    """Return how severe it is that one waits: as a thing to do; its alerts tell of the trouble."""
    people = any(name != BY_POLICY for name in one.asked_by)
    return "info" if one.severity == "info" and not people else "warning"


def waits_for(alert: Alert, approver: str) -> bool:
    """Return whether it tells of a decision that this approver may make: of another's wish."""
    parts = alert.key.split("/")
    asked_by = alert.labels.get(_ASKED_BY, "").split("\n")
    return parts[0] == KIND and parts[-2:-1] == [WAITS] and approver not in asked_by


def ended_key(one: Proposal) -> str:
    """Return the key of the alert that it failed or was dropped."""
    return key_of(KIND, one.project, one.model, ENDED, str(one.id))


def ended_badly(
    newest: Iterable[Proposal], now: float, open_keys: Collection[str]
) -> Iterator[Proposal]:
    """Yield those of which an alert is open, or is to begin, because they ended so."""
    for one in newest:
        fresh = now - (one.ended_at or 0.0) < RECENT_S
        if one.state in BAD and (fresh or ended_key(one) in open_keys):
            yield one


def events(
    newest: Iterable[Proposal],
    policies: Mapping[str, Policy],
    answered: Mapping[int, Alert],
    live: Mapping[str, int],
    now: float,
    open_keys: frozenset[str],
) -> tuple[Event, ...]:
    """Return what is to be said of retrainings.

    Args:
        newest: Of each model the newest one.
        policies: Of the projects that set one.
        answered: By id the alerts that those of ``ended_badly`` answer, as far as they are kept.
        live: Name (``PROJECT.MODEL``) → the version that answers, of what is in service; of two
            that answer the one that the retraining is about.
        now: Seconds since 1970.
        open_keys: Keys of the alerts of this kind that are open.
    """
    known = tuple(newest)
    found: dict[str, Event] = {}
    for one in known:
        key = waits_key(one)
        policy = policies.get(one.project, Policy())
        if one.state == "open" and (key in open_keys or _needs_a_person(one, policy, now)):
            found[key] = _waiting(key, one, policy)
    for one in ended_badly(known, now, open_keys):
        key = ended_key(one)
        over = _over(one, answered, live, now)
        found[key] = Event(key, now, "ok", said=over) if over else _ended(key, one)
    by_number = {str(one.id): one for one in known}
    by_model = {(one.project, one.model): one for one in known}
    for key in sorted(open_keys - found.keys()):
        found[key] = Event(key, now, "ok", said=_gone(key, by_number, by_model))
    return tuple(one for one in found.values() if one.state == "firing" or one.key in open_keys)


def _needs_a_person(one: Proposal, policy: Policy, now: float) -> bool:
    return policy.mode != "automatic" or bool(one.refused) or now - one.created_at >= GRACE_S


def _waiting(key: str, one: Proposal, policy: Policy) -> Event:
    people = [name for name in one.asked_by if name != BY_POLICY]
    refused = one.refused if policy.mode == "automatic" else ""
    said = (
        f"Retraining {one.id} of {one.model}: {_sentence(one.why)}",
        *wording.costs(one),
        f"Asked for by {', '.join(people)}, who may not accept it." if people else "",
        f"The policy does not accept it: {refused}" if refused else "",
    )
    columns = next((each.columns for each in one.evidence if each.columns), ())
    return _event(
        key, one, max((one.created_at, *(each.at for each in one.evidence))),
        severity(one),
        title=f"A retraining of {one.model} waits for an approver",
        said=" ".join(filter(None, said)),
        cause=" ".join(columns[:_COLUMNS]),
        suggestion=f"`mlops retrain accept {one.id}` has it begin; `mlops retrain dismiss {one.id} "
        "--reason TEXT` does not.",
        evidence=tuple(each.said for each in one.evidence),
        labels={_ASKED_BY: "\n".join(people)} if people else {},
    )  # fmt: skip


def _ended(key: str, one: Proposal) -> Event:
    failed, spent = one.state == "failed", wording.spent(one)
    by = "the policy" if one.approved_by == BY_POLICY else one.approved_by or "somebody"
    stays = f"Version {one.version} stays as it is." if one.version is not None else ""
    made = f"Version {one.candidate} is not put into service." if one.candidate is not None else (
        "It came to no new version."
    )  # fmt: skip
    said = (
        f"Retraining {one.id} of {one.model}, accepted by {by}, "
        f"{'failed' if failed else 'was dropped'}. {made}",
        stays,
        f"It took {spent}." if spent else "",
        f"It was to answer: {_sentence(one.why)}",
    )
    run = one.workflow[1] if one.workflow is not None else ""
    logs = f"`mlops workflows logs {run}` has what the workflow said. " if failed and run else ""
    return _event(
        key, one, one.ended_at or one.created_at, "warning",
        title=f"The retraining of {one.model} {'failed' if failed else 'was dropped'}",
        said=" ".join(filter(None, said)),
        cause=one.said,
        suggestion=f"`mlops retrain show {one.id}` tells its thread. {logs}When what the cause "
        f"names is mended: `mlops retrain propose {one.project}/{one.model} --why TEXT`.",
        # The workflow failed, and the retraining with it: one trouble, one notification.
        explains=(f"workflow_run:{run}",) if failed and run else (),
    )  # fmt: skip


def _event(
    key: str, one: Proposal, at: float, how: Severity, *, title: str, said: str, cause: str,
    suggestion: str, evidence: tuple[str, ...] = (), explains: tuple[str, ...] = (),
    labels: Mapping[str, str] = MappingProxyType({}),
) -> Event:  # fmt: skip
    labels = {
        **labels,
        "project": one.project, "model": one.model, "endpoint": one.name,
        "retraining": str(one.id), "thread": one.thread,
    }  # fmt: skip
    return Event(
        key, at, "firing", how, one.project, title, said, cause, suggestion,
        wording.link(one), explains, labels, evidence,
    )  # fmt: skip


def _over(one: Proposal, answered: Mapping[int, Alert], live: Mapping[str, int], now: float) -> str:
    """Return why a bad end needs nobody any more; empty: it does."""
    if 0 <= now - (one.ended_at or now) < LEAST_S:
        return ""
    version = live.get(one.name)
    if version is not None and one.version is not None and version != one.version:
        return f"Version {version} answers now, not version {one.version} any more."
    alerts = [answered.get(name) for name in one.alerts]
    if alerts and one.by_alerts_alone and all(each and not each.open for each in alerts):
        return "What it was to answer has ended by itself."
    return ""


def _gone(
    key: str, by_number: Mapping[str, Proposal], by_model: Mapping[tuple[str, str], Proposal]
) -> str:
    """Return why an alert of a retraining is over; its key ends with model, what, number."""
    one = by_number.get(key.rpartition("/")[2])
    if one is not None:
        return _decided(one)
    parts = key.split("/")
    after = by_model.get((parts[1], parts[2])) if len(parts) > 3 else None
    if after is None:
        return "It is known no more."
    return f"Retraining {after.id} came after it: it is {after.state}."


def _decided(one: Proposal) -> str:
    who = "The policy" if one.approved_by == BY_POLICY else one.approved_by or "Somebody"
    word = "dismissed" if one.state == "dismissed" else "accepted"
    why = f": {_sentence(one.reason)}" if one.reason else "."
    return f"{who} {word} it{why}"


def _sentence(text: str) -> str:
    said = " ".join(text.split())
    return said if said.endswith((".", "!", "?", "…")) else f"{said}."
