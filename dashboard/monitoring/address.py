"""The parameters of the page's address."""

from dashboard import navigation

DEPLOYMENT = "deployment"
"""``PROJECT.MODEL``: the deployment that is looked at."""
VERSION, VERDICT, COLUMN, PART = "version", "verdict", "column", "part"
"""Of it: which version's checks, a verdict of the check, the column, the part."""
SYMPTOM, CAUSE, SINCE, UNTIL = "symptom", "cause", "since", "until"
"""Of its causes: what got worse, which cause's chart, and of which time (seconds since 1970)."""
METRIC = "metric"
"""Of the part Accuracy: what is measured."""
FIND, STATE, ORDER = "find", "state", "order"
"""Of all: what is looked for, what it came to, what comes first."""
VIEW, STATUS = "view", "status"
"""Deployments or retrainings, and how far the retrainings are."""
RETRAINING = "retraining"
"""The retraining that is looked at, by its number."""


def to(
    name: str,
    *,
    version: int | None = None,
    verdict: str | None = None,
    column: str | None = None,
    part: str | None = None,
) -> str:
    """Return the address of a deployment, or of one check or column of it."""
    number = None if version is None else str(version)
    return navigation.address(
        "monitoring", deployment=name, version=number, verdict=verdict, column=column, part=part
    )


def to_retraining(number: int) -> str:
    """Return the address of a retraining."""
    return navigation.address("monitoring", retraining=str(number))


def report(verdict_id: str) -> str:
    """Return the address of Evidently's report of a check."""
    return f"/monitoring/report/{verdict_id}"
