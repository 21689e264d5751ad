"""How a deployment stands with a budget, as a sentence."""

import math

from services.objectives import budget
from services.objectives.budget import Counts
from services.objectives.models import Burn, Objective, State, share, span
from services.objectives.watched import PER_MINUTE


def of_requests(objective: Objective, total: Counts, state: State, burns: tuple[Burn, ...]) -> str:
    """Return what is to be said of requests."""
    stretch = _stretch(objective)
    if not total.requests:
        return f"Nobody asked it {stretch}."
    achieved = share(1.0 - total.bad / total.requests)
    if objective.kind == "errors":
        said = f"{achieved} of {total.requests:,} requests {stretch} were answered"
    else:
        said = (
            f"{achieved} of {total.requests:,} answers {stretch} came within "
            f"{objective.bound_ms:g} ms"
        )
    return _spent(said, objective, total, state, burns, budget.least_requests(objective.target))


def of_minutes(
    objective: Objective, total: Counts, state: State, burns: tuple[Burn, ...], unwatched: int
) -> str:
    """Return what is to be said of minutes in service.

    Args:
        objective: Of availability.
        total: Tens of seconds.
        state: How it stands.
        burns: How fast its budget is spent.
        unwatched: Minutes of which nothing is known.
    """
    stretch = _stretch(objective)
    if not total.requests:
        return (
            f"Nobody watched {stretch} whether it was in service: the controller notes it while "
            "the platform runs."
        )
    minutes, down = total.requests / PER_MINUTE, total.bad / PER_MINUTE
    said = (
        f"It was in service {share(1.0 - total.bad / total.requests)} of the {minutes:,.0f} "
        f"minutes that were watched {stretch}, and out of service {down:,.3g} of them"
    )
    wanted = math.ceil(budget.least_requests(objective.target) / PER_MINUTE)
    said = _spent(said, objective, total, state, burns, wanted)
    return f"{said} Of {unwatched:,} more nothing is known." if unwatched else said


def _stretch(objective: Objective) -> str:
    return "in the last day" if objective.days == 1 else f"in the last {objective.days} days"


def _spent(
    said: str, objective: Objective, total: Counts, state: State, burns: tuple[Burn, ...],
    wanted: int,
) -> str:  # fmt: skip
    if state == "unknown":
        return f"{said}: too few to say, {wanted:,} are wanted for {share(objective.target)}."
    spent = (budget.rate(total, objective.target) or 0.0) * 100
    said += f"; {share(objective.target)} are promised, {spent:.0f} % of the budget is spent"
    worst = next((one for one in burns if one.state == "firing"), None)
    if worst is not None:
        said += f"; it burns {worst.long or 0.0:.3g} times too fast over {span(worst.long_s)}"
    return f"{said}."
