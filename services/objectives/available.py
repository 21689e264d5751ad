"""Availability: minutes in service of those that were watched; pure."""

from services.objectives import budget, saying
from services.objectives.budget import Counts
from services.objectives.models import Objective, Standing
from services.objectives.watched import PER_MINUTE, Watched


def stands(
    project: str,
    model: str,
    objective: Objective,
    found: Watched | None,
    now: float,
    trouble: str = "",
) -> Standing:
    """Return how a deployment stands with an objective of availability; pure.

    Args:
        project: Of the model.
        model: Its name.
        objective: Of availability.
        found: When it was in service; None: it cannot be read.
        now: Seconds since 1970.
        trouble: Why it cannot be read, as a sentence.
    """
    if found is None:
        return Standing(project, model, objective, "unknown", trouble)
    begin = now - objective.window_s

    def within(seconds: float) -> Counts:
        return found.within(now - seconds, now)

    total, target = within(objective.window_s), objective.target
    since = None if found.first_at is None else max(begin, found.first_at)
    burns = budget.burns(within, target, objective.window_s, 0.0 if since is None else now - since)
    state = budget.state(total, target, burns)
    few = state == "unknown"
    unwatched = round(found.unwatched_s(begin, now) / 60.0)
    return Standing(
        project, model, objective, state,
        saying.of_minutes(objective, total, state, burns, unwatched),
        requests=round(total.requests / PER_MINUTE), bad=round(total.bad / PER_MINUTE),
        achieved=1.0 - total.bad / total.requests if total.requests else None,
        budget_left=None if few else budget.left(total, target),
        spent=None if few else budget.rate(total, target),
        burns=burns, since=since, unwatched=unwatched,
    )  # fmt: skip
