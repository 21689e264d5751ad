"""Which alerts lead to a proposal; pure.

Drift of inputs or answers and lost accuracy do, and a promised accuracy that is missed. Errors and
slow answers do not: no training mends them. Data of poor quality does not: a column that is
missing is mended where it comes from, and training on it would only learn the fault.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from services.alerting.models import Alert, rank
from services.retraining import drafting, store
from services.retraining.models import BY_POLICY, Evidence, Policy, Proposal

DRIFT, PROMISED = "drift", "accuracy"
KINDS = (DRIFT, PROMISED)
_ANSWERED = frozenset({"data", "prediction", "accuracy"})
HEARD = frozenset({"firing", "acknowledged"})
_HOUR_S = 3600.0


def due(
    alerts: Iterable[Alert],
    past: Mapping[str, Sequence[Proposal]],
    policies: Mapping[str, Policy],
    now: float,
) -> Iterator[Alert]:
    """Yield the alerts that a proposal is to be made of, or that one is to take up.

    What was dismissed stays dismissed until its alert gets worse. What ended otherwise, though its
    alert still fires, is proposed again after the cool-down.

    Args:
        alerts: Those that are open.
        past: Proposals by ``PROJECT.MODEL``, newest first.
        policies: Of the projects that set one.
        now: Seconds since 1970.
    """
    every = tuple(alerts)
    by_key = {one.key: one for one in every}
    for alert in every:
        project, model = alert.project or "", alert.labels.get("model", "")
        policy = policies.get(project, Policy())
        by = by_key.get(alert.inhibited_by or "")
        if _concerns(alert, by, policy) and model and project:
            mine = past.get(f"{project}.{model}", ())
            if _is_news(alert, mine, policy, now):
                yield alert


def is_heard(alert: Alert, by: Alert | None) -> bool:
    """Return whether an alert is heard: it fires, and nothing keeps it quiet.

    What another alert of the same accuracy explains is heard while nobody can see that one: it is
    told once, and it fires all the same.

    Args:
        alert: One that is open.
        by: The alert that explains it, of those that lead to proposals; None: none of them does.
    """
    if alert.state in HEARD:
        return True
    blind = by is not None and by.condition == "unknown" and by.silence is None
    return alert.state == "inhibited" and blind


def last_of(alert: Alert, past: Mapping[str, Sequence[Proposal]]) -> Proposal | None:
    """Return the newest proposal that answers an alert; None: none does."""
    mine = past.get(f"{alert.project or ''}.{alert.labels.get('model', '')}", ())
    return next((one for one in mine if alert.id in one.alerts), None)


def is_told(alert: Evidence, last: Proposal) -> bool:
    """Return whether a proposal said of an alert, no milder, that there is nothing new to learn."""
    return last.ended and last.again is not None and not store.worse(alert, last.evidence)


def _concerns(alert: Alert, by: Alert | None, policy: Policy) -> bool:
    what = alert.key.rpartition("/")[2]
    answered = alert.kind == PROMISED or (alert.kind == DRIFT and what in _ANSWERED)
    heard = answered and is_heard(alert, by)
    return heard and policy.mode != "off" and rank(alert.severity) >= rank(policy.min_severity)


def _is_news(alert: Alert, past: Sequence[Proposal], policy: Policy, now: float) -> bool:
    told = drafting.of_alert(alert).evidence[0]
    last = next((one for one in past if alert.id in one.alerts), None)
    if past and not past[0].ended:
        return store.worse(told, past[0].evidence)
    if last is None or store.worse(told, last.evidence):
        return True
    if last.state == "dismissed":
        # Its alert had ended, and is back; what a person stopped stays so.
        return last.approved_by == BY_POLICY and not last.stopped
    return now - (last.ended_at or last.created_at) >= policy.cooldown_h * _HOUR_S
