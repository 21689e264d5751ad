"""Whether a retraining may begin without anybody's yes; pure.

What is not known never counts as nothing: a budget that cannot be reckoned is not kept, so the
answer is no, with the reason.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from services.retraining.models import WEEK_S, Number, Policy, Proposal, Range

_HOUR_S = 3600.0


@dataclass(frozen=True, slots=True)
class Decision:
    """May it begin, why not, and the numbers that it rests on."""

    reasons: tuple[str, ...]
    """Against it; empty: it may."""
    numbers: dict[str, Number] = field(default_factory=dict)

    @property
    def allowed(self) -> bool:
        """Return whether it may begin."""
        return not self.reasons

    @property
    def said(self) -> str:
        """Return it as sentences."""
        return " ".join(self.reasons) or _allowed_said(self.numbers)


def decide(policy: Policy, proposal: Proposal, past: Sequence[Proposal], now: float) -> Decision:
    """Return whether a policy allows a proposal now.

    Args:
        policy: Of the project.
        proposal: The one in question.
        past: All others of the project that did not end more than a week, or than the cool-down,
            ago.
        now: Seconds since 1970.
    """
    numbers: dict[str, Number] = {}
    others = [one for one in past if one.id != proposal.id]
    mine = [one for one in others if one.approved_by and _began(one)]
    week = counted(others, now)
    reasons = [
        *_mode(policy),
        *_data(policy, proposal),
        *_cooldown(policy, [one for one in mine if one.model == proposal.model], now, numbers),
        *_count(policy, week, numbers),
        *_budget("minutes", policy.budget_minutes, proposal.minutes, week, numbers),
        *_budget("joules", policy.budget_joules, proposal.joules, week, numbers),
    ]
    return Decision(tuple(reasons), numbers)


def counted(past: Sequence[Proposal], now: float) -> list[Proposal]:
    """Return those that count against number and budget of a week at some moment."""
    begun = (one for one in past if one.approved_by and _began(one))
    return [one for one in begun if _within(one, now, WEEK_S) and _launched(one)]


def longest_s(policy: Policy) -> float:
    """Return how far back ``decide`` looks."""
    return max(WEEK_S, policy.cooldown_h * _HOUR_S)


def _began(one: Proposal) -> bool:
    dismissed = one.state == "dismissed" and not one.stopped  # what was stopped had begun
    return one.decided_at is not None and one.state != "open" and not dismissed


def _launched(one: Proposal) -> bool:
    return one.workflow is not None or not one.ended


def _within(one: Proposal, now: float, length_s: float) -> bool:
    # What has not ended may cost something still, however long ago it was accepted; what has ended
    # cost it at its end at the latest. A clock that was set back makes the past the future: it
    # counts as now.
    return not one.ended or now - (one.ended_at or one.decided_at or 0.0) < length_s


def _mode(policy: Policy) -> Iterator[str]:
    if policy.mode != "automatic":
        yield "The project's policy asks a person first."


def _data(policy: Policy, proposal: Proposal) -> Iterator[str]:
    """Refuse what would learn nothing new: only a person can know that it helps all the same."""
    if proposal.data.bad:
        yield f"{proposal.data.bad} A person decides."
    if policy.collects and proposal.data.rows is None and not proposal.data.lacks:
        yield "Which rows could be collected before it trains is not known yet."
        return
    if policy.collects and proposal.data.lacks:
        yield f"Rows are to be collected before it trains. {proposal.data.lacks}"
        return
    if proposal.data.newer is False:
        yield "There is no other data than the version in service learned from: a person decides."
    elif proposal.data.newer is None and proposal.data.declared:
        yield (
            "Whether there is other data than the version in service learned from is not known: a "
            "person decides."
        )
    if proposal.again is not None:
        yield (
            f"Retraining {proposal.again} answered the same with the same data, and the cause is "
            "there again: a person decides."
        )


def _cooldown(
    policy: Policy, mine: Sequence[Proposal], now: float, numbers: dict[str, Number]
) -> Iterator[str]:
    last = max((one.ended_at or one.decided_at or 0.0 for one in mine), default=None)
    numbers["cooldown_h"] = policy.cooldown_h
    numbers["hours_since_last"] = None
    if last is None:
        return
    hours = max(0.0, (now - last) / _HOUR_S)
    numbers["hours_since_last"] = round(hours, 2)
    if hours < policy.cooldown_h:
        yield (
            f"The last retraining of it was {hours:.1f} h ago; {policy.cooldown_h:g} h must lie "
            "between two."
        )


def _count(policy: Policy, week: Sequence[Proposal], numbers: dict[str, Number]) -> Iterator[str]:
    numbers["in_seven_days"], numbers["most_per_week"] = len(week), policy.most_per_week
    if len(week) >= policy.most_per_week:
        times = "retraining" if len(week) == 1 else "retrainings"
        yield (
            f"The project had {len(week)} {times} in seven days; {policy.most_per_week} are "
            "allowed."
        )


def _budget(
    what: str,
    most: float | None,
    expected: Range | None,
    week: Sequence[Proposal],
    numbers: dict[str, Number],
) -> Iterator[str]:
    if most is None:
        return
    spent = [spent_by(what, one) for one in week]
    known = sum(one for one in spent if one is not None)
    unknown = sum(one is None for one in spent)
    numbers |= {
        f"budget_{what}": most,
        f"spent_{what}": round(known, 3),
        f"spent_{what}_unknown_of": unknown,
        f"expected_{what}": None if expected is None else expected.median,
    }
    if expected is None:
        yield f"How many {what} it takes is not known, so the budget cannot be kept."
    if unknown:
        yield (
            f"How many {what} {unknown} of the week's retrainings took is not known, so the budget "
            "cannot be kept."
        )
    if expected is not None and known + expected.median > most:
        yield (
            f"It would take {expected.median:,.4g} {what} beside {known:,.4g} in seven days; "
            f"{most:,.6g} are allowed."
        )


def spent_by(what: str, one: Proposal) -> float | None:
    """Return what a retraining took; of one that goes on, what it is expected to take."""
    took = one.took_minutes if what == "minutes" else one.took_joules
    if took is not None or one.ended:  # that it was to take less is no measure of one that failed
        return took
    expected = one.minutes if what == "minutes" else one.joules
    return None if expected is None else expected.median


def _allowed_said(numbers: dict[str, Number]) -> str:
    parts = [f"{numbers['in_seven_days']} of {numbers['most_per_week']} in seven days"]
    if numbers["hours_since_last"] is not None:
        parts.append(f"the last one {numbers['hours_since_last']} h ago")
    parts += [
        f"{numbers[f'spent_{what}']:,.4g} of {numbers[f'budget_{what}']:,.6g} {what} spent"
        for what in ("minutes", "joules")
        if f"budget_{what}" in numbers
    ]
    return f"The project's policy allows it: {', '.join(parts)}."
