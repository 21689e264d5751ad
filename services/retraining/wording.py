"""Retraining in sentences, the same in dialogs, on the command line and in documents."""

import math
from collections.abc import Iterator

from services.retraining.models import Policy, Proposal, Range
from services.serving.workbench import SWITCHED_OFF


def costs(found: Proposal) -> tuple[str, ...]:
    """Return with which data it trains, what it takes and what it may bring, a sentence each."""
    gain = "What it brings is not known: no retraining of it came to a new version yet."
    if found.gain is not None:
        change = found.gain.change
        gain = (
            f"Earlier retrainings, those that were dropped too, changed {found.gain.metric} by "
            f"{change.median:+.4g} ({change.low:+.4g} to {change.high:+.4g}, {change.count} of "
            "them), each by its own evaluation."
        )
    again = () if found.again is None else (
        f"Retraining {found.again} answered the same with the same data and was promoted; the "
        "cause is there again, so it is not proposed another time unless there is other data.",
    )  # fmt: skip
    return (
        *again,
        f"Data: {found.data.said}",
        *((found.data.bad,) if found.data.bad else ()),
        f"It takes {ranged(found.minutes, 'min')} and {ranged(found.joules, 'J')}, by history.",
        gain,
    )


def spent(found: Proposal) -> str:
    """Return what its training took, measured; empty: nothing of it is known."""
    parts = [
        *([f"{found.took_minutes:,.3g} min"] if found.took_minutes is not None else []),
        *([f"{found.took_joules:,.4g} J"] if found.took_joules is not None else []),
    ]
    return " and ".join(parts)


def link(found: Proposal) -> str:
    """Return the page of the dashboard that shows it, from its root on."""
    return f"/monitoring?retraining={found.id}"


def ranged(found: Range | None, unit: str) -> str:
    """Return a figure from history for a sentence."""
    if found is None:
        return {"min": "an unknown time", "J": "unknown energy"}.get(unit, "an unknown amount")
    if found.count == 1 or math.isclose(found.low, found.high):
        return f"{found.median:,.4g} {unit} ({found.count} before)"
    return (
        f"{found.median:,.4g} {unit} ({found.low:,.4g} to {found.high:,.4g}, {found.count} before)"
    )


def after(found: Proposal, policy: Policy, live: int | None, *, serves: bool) -> Iterator[str]:
    """Yield what follows when it trained well.

    Args:
        found: The retraining.
        policy: Of its project.
        live: The version in service; None: none is.
        serves: Whether models are served here at all.
    """
    yield "A version that fails the project's gates is dropped; it stays in the registry."
    if live is None:
        yield (
            f"No version of {found.model} is in service: one that passes, and whose evaluation is "
            "not worse than before, becomes champion at once. Without gates a person decides."
        )
        return
    if not serves:
        yield f"{SWITCHED_OFF} A version that passes waits {policy.patience_h:g} h for it."
    how = f"answers {policy.percent:g} % of the requests" if policy.strategy == "canary" else (
        "is asked a copy of every request"
    )  # fmt: skip
    yield (
        f"One that passes {how} beside version {live} for at least {policy.judge_minutes:g} min "
        f"and {policy.judge_requests:,} requests."
    )
    yield (
        "If no guard speaks, and neither labels nor an evaluation on the same data say that it is "
        "worse, it becomes live and champion by itself; else it is dropped."
    )
    if policy.needs_proof:
        yield (
            "Labels, gates or an evaluation on the same data must say that it is good, and its own "
            f"checks that it cures; what has not come in {policy.patience_h:g} h drops it."
        )


def said_of(policy: Policy) -> tuple[str, ...]:
    """Return what a policy means, a sentence each."""
    first = {
        "off": "Alerts lead to no retraining; people may still propose one.",
        "propose": "Alerts lead to proposals; an approver decides about each.",
        "automatic": "Alerts lead to retrainings that nobody is asked about, within the bounds.",
    }[policy.mode]
    bounds = [
        f"at most {policy.most_per_week} in seven days", f"{policy.cooldown_h:g} h between two",
        *([f"{policy.budget_minutes:,.6g} min in seven days"]
          if policy.budget_minutes is not None else []),
        *([f"{policy.budget_joules:,.6g} J in seven days"]
          if policy.budget_joules is not None else []),
    ]  # fmt: skip
    proof = (
        "Without seeing that it is good, and that it cures what it was made for, none is promoted."
        if policy.needs_proof
        else "What is not known of how good it is, or whether it cures, is told."
    )
    collects = (
        "Before it trains, labelled rows of what the model was asked are collected: "
        f"{policy.collect_rows:,} at least that no earlier collection holds, else nothing is "
        "trained.",
    ) if policy.collects else ()  # fmt: skip
    how = f"a canary of {policy.percent:g} %" if policy.strategy == "canary" else "a shadow"
    return (
        first,
        f"From severity {policy.min_severity} on; bounds: {', '.join(bounds)}.",
        *collects,
        f"The new version stands beside the live one as {how} for {policy.judge_minutes:g} min and "
        f"{policy.judge_requests:,} requests, {policy.patience_h:g} h at most. {proof}",
    )
